-- hash, limit or empty, when full, hash to replace or empty, whether keys move along ('1'), the data they were taken
-- from, and the names and values of the new session's fields; the limit is one of rows of the same kind
-- -> 'ok', the replaced fields, the evicted ones | 'full', those of the user's sessions | 'taken' | 'again', the data
begin()
local hash, limit, when_full, replaces = ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6] ~= '' and current(ARGV[6]) or ''
local carries, seen = ARGV[7] == '1', ARGV[8]
local fields = {}
for i = 9, #ARGV do
  fields[i - 8] = ARGV[i]
end
local id, user = get(fields, 'id'), get(fields, 'u')

if (hash ~= replaces and redis.call('EXISTS', key('s', hash)) == 1) or redis.call('EXISTS', key('i', id)) == 1 then
  return { 'taken' }
end

local replaced = replaces ~= '' and fields_of(replaces) or nil
if carries then
  local data = ''
  if replaced and not get(replaced, 'u') then
    data = get(replaced, 'd')
  end
  if data ~= seen then
    return { 'again', data }
  end
end

local evicted = {}
if limit and user and redis.call('ZCARD', key('u', user)) >= limit then
  local live = {}
  for _, session in ipairs(of_user(user)) do
    if session[1] ~= replaces and is_alive(session[2]) and kind_of(session[2]) == kind_of(fields)
      and not acts_for_another(session[2]) then
      live[#live + 1] = session
    end
  end
  if #live >= limit then
    if when_full ~= 'evict_oldest' then
      return { 'full', rows_of(live) }
    end
    for i = limit, #live do
      evicted[#evicted + 1] = live[i]
    end
  end
end

if replaced then
  end_sessions({ { replaces, replaced } })
end
end_sessions(evicted, user and 'u:' .. user)

redis.call('HSET', key('s', hash), unpack(fields))
redis.call('SET', key('i', id), hash)
redis.call('ZADD', index('a'), get(fields, 'l'), id)
if user then
  redis.call('ZADD', key('u', user), get(fields, 'c'), id)
end
keep(hash, fields)
return { 'ok', replaced or false, rows_of(evicted) }
