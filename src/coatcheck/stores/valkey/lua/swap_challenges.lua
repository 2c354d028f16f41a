-- id, the challenges that were seen, the new ones -> 1 if they were still the same
local name = key('d', ARGV[3])
if redis.call('HGET', name, 'c') ~= ARGV[4] then
  return 0
end
redis.call('HSET', name, 'c', ARGV[5])
return 1
