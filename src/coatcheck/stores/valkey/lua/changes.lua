-- Stands, after common.lua, before every script that writes.

-- The first to write gives the store its name. A log that outlived it belonged to another.
local function begin()
  if epoch then
    return
  end
  -- The name of this generation must not be that of the next, which the same script may begin.
  epoch, position, floor, generation = nonce, 1, 1, 'first-' .. nonce
  redis.call('DEL', log_key)
  redis.call('HSET', meta_key, 'epoch', epoch, 'position', 1, 'floor', 1, 'generation', generation, 'layout', 1)
end

local function note(subject)
  begin()
  redis.call('XADD', log_key, int(position) .. '-0', 's', subject, 't', int(now))
  position = position + 1
  redis.call('HSET', meta_key, 'position', int(position))
end

local function remaining(ends)
  return math.max(0, math.ceil((ends - now) / 1000)) + MARGIN
end

-- The user's index lives as long as the longest of its entries.
local function keep_index(user, milliseconds)
  local name = key('u', user)
  if redis.call('PTTL', name) < milliseconds then
    redis.call('PEXPIRE', name, int(milliseconds))
  end
end

-- Note when a session ends, after its times have changed.
local function keep(hash, fields)
  local id, user = get(fields, 'id'), get(fields, 'u')
  local ends = ends_at(get(fields, 'i'), get(fields, 'x'))
  local milliseconds = remaining(ends)
  redis.call('ZADD', index('e'), int(ends), id)
  if kind_of(fields) ~= 'session' then
    redis.call('ZADD', index('q'), int(ends), id)
  end
  redis.call('PEXPIRE', key('s', hash), int(milliseconds))
  redis.call('PEXPIRE', key('i', id), int(milliseconds))
  redis.call('PEXPIRE', key('d', id), int(milliseconds))
  redis.call('PEXPIRE', key('f', id), int(milliseconds))
  if user then
    keep_index(user, milliseconds)
  end
end

local function forget(id, user)
  redis.call('ZREM', index('e'), id)
  redis.call('ZREM', index('q'), id)
  redis.call('ZREM', index('a'), id)
  if user then
    redis.call('ZREM', key('u', user), id)
  end
end

-- Retired tokens of a session beyond the latest ones: all of them, for 0.
local function forget_retired(id, most)
  for _, hash in ipairs(redis.call('LRANGE', key('p', id), most, -1)) do
    redis.call('DEL', key('r', hash))
  end
  if most == 0 then
    redis.call('DEL', key('p', id))
  else
    redis.call('LTRIM', key('p', id), 0, most - 1)
  end
end

local function remove(hash, fields)
  local id, user, actor = get(fields, 'id'), get(fields, 'u'), get(fields, 'f')
  redis.call('DEL', key('s', hash), key('i', id), key('d', id), key('f', id))
  if actor then
    redis.call('SREM', key('f', actor), id)
  end
  forget_retired(id, 0)
  forget(id, user)
end

-- All sessions of a user, newest first, as pairs of hash and fields; what the index names and is gone leaves it.
local function of_user(user)
  local found = {}
  for _, id in ipairs(redis.call('ZREVRANGE', key('u', user), 0, -1)) do
    local hash, fields = by_id(id)
    if fields then
      found[#found + 1] = { hash, fields }
    else
      forget(id, user)
    end
  end
  return found
end

-- The sessions that end with these, as pairs of hash and fields.
local function acting_for(sessions)
  local found = {}
  for _, session in ipairs(sessions) do
    for _, id in ipairs(redis.call('SMEMBERS', key('f', get(session[2], 'id')))) do
      local hash, fields = by_id(id)
      if fields then
        found[#found + 1] = { hash, fields }
      end
    end
  end
  return found
end

-- Have a session end no later than the one that it ends with; tells whether it did.
local function cut(hash, fields, actor)
  local ends, absolute = ends_at(get(actor, 'i'), get(actor, 'x')), get(fields, 'x')
  if absolute and tonumber(absolute) <= ends then
    return false
  end
  redis.call('HSET', key('s', hash), 'x', int(ends))
  return true
end

-- After the times of a session have changed.
local function cut_acting_for(hash, fields)
  for _, session in ipairs(acting_for({ { hash, fields } })) do
    if cut(session[1], session[2], fields) then
      note('s:' .. get(session[2], 'id'))
      keep(session[1], fields_of(session[1]))
    end
  end
end

-- Entries first: if anything fails in between, copies are read again for nothing, and no entry is missing. Of very many,
-- together with those that were ended before, one entry with this subject tells.
local function end_sessions(sessions, subject, before)
  local acting = acting_for(sessions)
  for _, session in ipairs(acting) do
    note('s:' .. get(session[2], 'id'))
  end
  if subject and #sessions > 0 and #sessions + (before or 0) > MANY then
    note(subject)
  else
    for _, session in ipairs(sessions) do
      note('s:' .. get(session[2], 'id'))
    end
  end
  for _, some in ipairs({ acting, sessions }) do
    for _, session in ipairs(some) do
      remove(session[1], session[2])
    end
  end
end

-- What is told of a session that has ended.
local function named(fields)
  local row = {}
  for _, name in ipairs({ 'id', 'u', 'm' }) do
    local value = get(fields, name)
    if value then
      row[#row + 1] = name
      row[#row + 1] = value
    end
  end
  return row
end

-- Whether somebody else acts as the session's user.
local function acts_for_another(fields)
  local proofs = get(fields, 'm')
  return proofs and string.find(proofs, '"actor"', 1, true) and cjson.decode(proofs).actor
end

-- What is told of sessions that have ended.
local function ended_of(sessions)
  local ended = {}
  for i, session in ipairs(sessions) do
    ended[i] = named(session[2])
  end
  return ended
end

local function forget_workers(keep)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', base .. 'told', '-inf', '(' .. int(now - keep))) do
    redis.call('HDEL', base .. 'reports', member)
    redis.call('ZREM', base .. 'told', member)
  end
end

local function rows_of(sessions)
  local rows = {}
  for i, session in ipairs(sessions) do
    rows[i] = session[2]
  end
  return rows
end
