-- id, the data that the new ones were made from, the new data, a new idle timeout, idle expiry and absolute expiry, each
-- or empty -> 'ok', the fields | 'again', the data | 'gone'
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
for i, name in ipairs({ 't', 'i', 'x' }) do
  if ARGV[5 + i] ~= '' then
    redis.call('HSET', key('s', hash), name, ARGV[5 + i])
  end
end
fields = fields_of(hash)
keep(hash, fields)
cut_acting_for(hash, fields)
return { 'ok', fields }
