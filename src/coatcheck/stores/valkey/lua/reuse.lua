-- a hash, whether its session ends ('1') -> the fields of the session of this retired token whose grace is over
local row = retired(ARGV[3])
if not row or row.ends > now then
  return false
end
local hash, fields = by_id(row.id)
if not fields or not is_alive(fields) then
  return false
end
if ARGV[4] == '1' then
  end_sessions({ { hash, fields } })
else
  redis.call('DEL', key('r', ARGV[3]))
end
return named(fields)
