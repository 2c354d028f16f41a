-- worker, what it tells, pause, for how long it is kept -> whether it is to write the next probe
local worker, report, pause, keep = ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
begin()
local member = worker .. ' ' .. int(math.floor(now / 60000000))
local probed = tonumber(redis.call('GET', base .. 'probed') or '0')
local due = probed <= now - pause
local active = string.match(redis.call('HGET', base .. 'reports', member) or '', '^%d+ (%S+)') or '-'
if due then
  redis.call('SET', base .. 'probed', int(now))
  local function living(kinds)
    return redis.call('ZCOUNT', index(kinds), '(' .. int(now), '+inf')
  end
  active = int(living('e') - living('q'))
end
redis.call('HSET', base .. 'reports', member, int(now) .. ' ' .. active .. ' ' .. report)
redis.call('ZADD', base .. 'told', int(now), member)
forget_workers(keep)
for _, name in ipairs({ 'reports', 'told', 'probed' }) do
  redis.call('PEXPIRE', base .. name, int(keep / 1000))
end
return due and 1 or 0
