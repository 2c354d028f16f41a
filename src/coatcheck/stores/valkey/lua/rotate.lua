-- the old hash, the new one, authenticated, idle expiry, absolute expiry and proofs, each or empty
-- -> 'ok', the fields | 'taken' | 'gone'
local old, new = current(ARGV[3], now), ARGV[4]
local fields = fields_of(old)
if not fields or not is_alive(fields) then
  return { 'gone' }
end
if redis.call('EXISTS', key('s', new)) == 1 then
  return { 'taken' }
end
local id = get(fields, 'id')
note('s:' .. id)
redis.call('RENAME', key('s', old), key('s', new))
redis.call('SET', key('i', id), new)
redis.call('HSET', key('s', new), 'k', int(now))
for i, name in ipairs({ 'a', 'i', 'x', 'm' }) do
  if ARGV[4 + i] ~= '' then
    redis.call('HSET', key('s', new), name, ARGV[4 + i])
  end
end
fields = fields_of(new)
keep(new, fields)
cut_acting_for(new, fields)
return { 'ok', fields }
