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
  redis.call('PEXPIRE', key('s', hash), int(milliseconds))
  redis.call('PEXPIRE', key('i', id), int(milliseconds))
  redis.call('PEXPIRE', key('d', id), int(milliseconds))
  if user then
    keep_index(user, milliseconds)
  end
end

local function forget(id, user)
  redis.call('ZREM', index('e'), id)
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
  local id, user = get(fields, 'id'), get(fields, 'u')
  redis.call('DEL', key('s', hash), key('i', id), key('d', id))
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

-- Entries first: if anything fails in between, copies are read again for nothing, and no entry is missing.
local function end_sessions(sessions, user)
  if user and #sessions > MANY then
    note('u:' .. user)
  else
    for _, session in ipairs(sessions) do
      note('s:' .. get(session[2], 'id'))
    end
  end
  for _, session in ipairs(sessions) do
    remove(session[1], session[2])
  end
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
