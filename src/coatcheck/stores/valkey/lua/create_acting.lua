-- hash, the id of the session that it ends with, and the names and values of the new session's fields
-- -> 'ok', the fields | 'taken' | 'gone'
begin()
local hash, actor = ARGV[3], ARGV[4]
local actor_hash, acting = by_id(actor)
if not acting or not is_alive(acting) or get(acting, 'f') then
  return { 'gone' }
end
local fields = { 'f', actor }
for i = 5, #ARGV do
  fields[#fields + 1] = ARGV[i]
end
local id, user = get(fields, 'id'), get(fields, 'u')
if redis.call('EXISTS', key('s', hash)) == 1 or redis.call('EXISTS', key('i', id)) == 1 then
  return { 'taken' }
end
redis.call('HSET', key('s', hash), unpack(fields))
redis.call('SET', key('i', id), hash)
redis.call('ZADD', index('a'), get(fields, 'l'), id)
redis.call('ZADD', key('u', user), get(fields, 'c'), id)
redis.call('SADD', key('f', actor), id)
cut(hash, fields, acting)
fields = fields_of(hash)
keep(hash, fields)
keep(actor_hash, acting)
return { 'ok', fields }
