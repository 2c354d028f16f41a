-- id, thumbprint, key, challenges -> whose it is, if the session is alive and belonged to no device
local hash, fields = by_id(ARGV[3])
if not fields or not is_alive(fields) or get(fields, 'b') == '1' then
  return false
end
note('s:' .. ARGV[3])
redis.call('HSET', key('d', ARGV[3]), 't', ARGV[4], 'k', ARGV[5], 'c', ARGV[6])
redis.call('HSET', key('s', hash), 'b', '1')
keep(hash, fields)
return { 'id', ARGV[3], 'u', get(fields, 'u') }
