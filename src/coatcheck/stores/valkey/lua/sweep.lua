-- how many at most, for how long log entries are kept, and what workers have told -> the fields of the expired sessions that were removed
begin()
local batch, horizon = tonumber(ARGV[3]), now - tonumber(ARGV[4])

-- The log, from its old end; some of it each time.
local trimmed = floor
for _, entry in ipairs(redis.call('XRANGE', log_key, '-', '+', 'COUNT', 10 * MANY)) do
  if tonumber(entry[2][4]) >= horizon then
    break
  end
  trimmed = tonumber(string.match(entry[1], '^%d+')) + 1
end
if trimmed > floor then
  redis.call('HSET', meta_key, 'floor', int(trimmed))
  redis.call('XTRIM', log_key, 'MINID', '=', int(trimmed) .. '-0')
end

forget_workers(tonumber(ARGV[5]))

-- Expired sessions. Those whose entries have ended by themselves are only left in the indexes.
local ended, scanned = {}, 0
while #ended < batch and scanned < batch + MANY do
  local ids = redis.call('ZRANGEBYSCORE', index('e'), '-inf', int(now), 'LIMIT', 0, batch - #ended)
  if #ids == 0 then
    break
  end
  scanned = scanned + #ids
  for _, id in ipairs(ids) do
    local hash, fields = by_id(id)
    if fields and is_alive(fields) then
      keep(hash, fields)
    elseif fields then
      end_sessions(acting_for({ { hash, fields } }))
      remove(hash, fields)
      ended[#ended + 1] = named(fields)
    else
      redis.call('DEL', key('i', id), key('d', id), key('f', id))
      forget_retired(id, 0)
      forget(id, nil)
    end
  end
end

-- What is left of generations that have ended.
local dead = redis.call('LINDEX', dead_key, 0)
if dead then
  generation = dead
  local popped = redis.call('ZPOPMIN', index('e'), math.max(batch, MANY))
  for i = 1, #popped, 2 do
    local hash, fields = by_id(popped[i])
    if hash then
      redis.call('DEL', key('s', hash), key('i', popped[i]), key('d', popped[i]), key('f', popped[i]))
    end
    if fields and get(fields, 'u') then
      redis.call('ZREM', key('u', get(fields, 'u')), popped[i])
    end
    forget_retired(popped[i], 0)
    redis.call('ZREM', index('a'), popped[i])
    redis.call('ZREM', index('q'), popped[i])
  end
  if #popped == 0 then
    redis.call('DEL', index('a'), index('q'))
    redis.call('LPOP', dead_key)
  end
end
return ended
