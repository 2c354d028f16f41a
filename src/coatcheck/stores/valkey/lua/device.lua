-- id -> thumbprint, key and challenges of a live session's device, or nothing
local hash, fields = by_id(ARGV[3])
if not fields or not is_alive(fields) or get(fields, 'b') ~= '1' then
  return false
end
local device = redis.call('HMGET', key('d', ARGV[3]), 't', 'k', 'c')
return device[1] and device or false
