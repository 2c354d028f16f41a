-- -> the time, and what each worker has told in each minute
local found = {}
for _, member in ipairs(redis.call('ZRANGE', base .. 'told', 0, -1)) do
  found[#found + 1] = { member, redis.call('HGET', base .. 'reports', member) }
end
return { int(now), found }
