-- the cursor's epoch and position, or empty and 0; how many entries at most
-- -> epoch, floor, the next position, now, positions and subjects
local info = redis.call('INFO', 'server', 'replication')
if string.match(info, 'role:(%a+)') ~= 'master' then
  return redis.error_reply('READONLY only a master can say what the log holds')
end
-- Which server this is, and since when it is a master: a restart changes the one, a promotion the other.
local server = string.match(info, 'run_id:(%w+)') .. ':' .. string.match(info, 'master_replid:(%w+)')
begin()
local cursor = tonumber(ARGV[4])
local whole = redis.call('XLEN', log_key) == position - floor
if redis.call('HGET', meta_key, 'server') ~= server or not whole or (ARGV[3] == epoch and cursor > position) then
  epoch = nonce
  if not whole then
    redis.call('DEL', log_key)
    floor = position
  end
  redis.call('HSET', meta_key, 'epoch', epoch, 'server', server, 'floor', int(floor))
end
local first = ARGV[3] == epoch and math.max(cursor, floor) or floor
local entries = {}
if ARGV[3] ~= '' and ARGV[3] ~= epoch then
  first = position
elseif position - first > tonumber(ARGV[5]) then
  floor = position
else
  for _, entry in ipairs(redis.call('XRANGE', log_key, int(first) .. '-0', '+')) do
    entries[#entries + 1] = string.match(entry[1], '^%d+')
    entries[#entries + 1] = entry[2][2]
  end
end
return { epoch, int(floor), int(position), int(now), entries }
