-- for each touch: id, last seen, idle expiry -> the ids of those that were alive
local touched = {}
for i = 3, #ARGV, 3 do
  local id, seen, idle = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local hash = redis.call('GET', key('i', id))
  if hash then
    local name = key('s', hash)
    local row = redis.call('HMGET', name, 'i', 'x', 'l', 'u', 'q')
    local ends = row[1] and ends_at(row[1], row[2]) or 0
    if ends > now and ends > seen then
      seen, idle = math.max(seen, tonumber(row[3])), math.max(idle, tonumber(row[1]))
      redis.call('HSET', name, 'l', int(seen), 'i', int(idle))
      redis.call('ZADD', index('a'), int(seen), id)
      keep(hash, { 'id', id, 'i', idle, 'x', row[2], 'u', row[4], 'q', row[5] })
      touched[#touched + 1] = id
    end
  end
end
return touched
