-- -> how many sessions there were. A session is alive only in the current generation, whose name is part of every key,
-- so all end at once, however many there are; sweep removes what is left of them.
begin()
note('*')
local count = redis.call('ZCARD', index('e'))
redis.call('RPUSH', dead_key, generation)
redis.call('HSET', meta_key, 'generation', nonce)
return count
