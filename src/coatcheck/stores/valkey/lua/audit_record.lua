-- for each entry: action, user, session, detail, actor, address, empty for none
local name = base .. 'audit'
local last = 0
if redis.call('EXISTS', name) == 1 then
  local info = redis.call('XINFO', 'STREAM', name)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      last = tonumber(string.match(info[i + 1], '^%d+'))
    end
  end
end
for i = 3, #ARGV, 6 do
  last = last + 1
  redis.call('XADD', name, int(last) .. '-0', 'at', int(now), 'action', ARGV[i], 'user_id', ARGV[i + 1],
    'session_id', ARGV[i + 2], 'detail', ARGV[i + 3], 'actor', ARGV[i + 4], 'address', ARGV[i + 5])
end
