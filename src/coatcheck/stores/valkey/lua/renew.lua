-- the old hash, the new one, the seal, the grace in microseconds, how many retired tokens to remember
-- -> 'ok', the fields, the successor's hash, the seal | 'taken' | 'gone'
local old, new, grace, most = ARGV[3], ARGV[4], tonumber(ARGV[6]), tonumber(ARGV[7])
local fields = fields_of(old)
if fields and is_alive(fields) then
  if redis.call('EXISTS', key('s', new)) == 1 then
    return { 'taken' }
  end
  local id, absolute = get(fields, 'id'), get(fields, 'x')
  note('s:' .. id)
  redis.call('RENAME', key('s', old), key('s', new))
  redis.call('HSET', key('s', new), 'k', int(now))
  redis.call('SET', key('i', id), new)
  redis.call('HSET', key('r', old), 'id', id, 'n', new, 's', ARGV[5], 'e', int(now + grace))
  redis.call('LPUSH', key('p', id), old)
  -- They go with the session, and at the latest when it cannot be there any more.
  if absolute then
    redis.call('PEXPIRE', key('r', old), int(remaining(tonumber(absolute))))
    redis.call('PEXPIRE', key('p', id), int(remaining(tonumber(absolute))))
  end
  forget_retired(id, most)
end
local row = retired(old)
fields = row and row.ends > now and fields_of(row.successor)
if not fields or not is_alive(fields) then
  return { 'gone' }
end
return { 'ok', fields, row.successor, row.seal }
