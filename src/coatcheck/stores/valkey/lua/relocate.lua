-- id, whether there is an address ('1'), the address, whether there is a browser ('1'), the browser -> 1 if it was noted
local hash, fields = by_id(ARGV[3])
if not fields or not is_alive(fields) then
  return 0
end
local changed = false
for i, name in ipairs({ 'ip', 'ua' }) do
  local new = ARGV[2 + 2 * i] == '1' and ARGV[3 + 2 * i] or nil
  if get(fields, name) ~= new then
    if not changed then
      note('s:' .. ARGV[3])
    end
    changed = true
    if new then
      redis.call('HSET', key('s', hash), name, new)
    else
      redis.call('HDEL', key('s', hash), name)
    end
  end
end
return changed and 1 or 0
