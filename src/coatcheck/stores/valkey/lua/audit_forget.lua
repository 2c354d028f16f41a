-- for how long entries are kept, how many to delete at most -> how many were
local name, horizon = base .. 'audit', now - tonumber(ARGV[3])
local count, kept = 0, nil
for _, entry in ipairs(redis.call('XRANGE', name, '-', '+', 'COUNT', ARGV[4])) do
  if tonumber(entry[2][2]) >= horizon then
    break
  end
  count = count + 1
  kept = int(tonumber(string.match(entry[1], '^%d+')) + 1) .. '-0'
end
if kept then
  redis.call('XTRIM', name, 'MINID', '=', kept)
end
return count
