-- the number after which to go on or '+', how many to look at -> that many entries, newest first
local from = ARGV[3] == '+' and '+' or '(' .. ARGV[3] .. '-0'
return redis.call('XREVRANGE', base .. 'audit', from, '-', 'COUNT', ARGV[4])
