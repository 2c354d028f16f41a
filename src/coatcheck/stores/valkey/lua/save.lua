-- id, the data that the new ones were made from, the new data -> 'ok', the fields | 'again', the data | 'gone'
local hash, fields = by_id(ARGV[3])
if not fields or not is_alive(fields) then
  return { 'gone' }
end
local data = get(fields, 'd')
if data ~= ARGV[4] then
  return { 'again', data }
end
note('s:' .. ARGV[3])
redis.call('HSET', key('s', hash), 'd', ARGV[5])
return { 'ok', fields_of(hash) }
