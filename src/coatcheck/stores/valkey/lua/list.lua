-- 'user' or 'all', the user, limit -> the fields of live sessions
local name = ARGV[3] == 'user' and key('u', ARGV[4]) or index('a')
local limit = tonumber(ARGV[5])
local rows, start, step = {}, 0, 200
while #rows < limit do
  local ids = redis.call('ZREVRANGE', name, start, start + step - 1)
  for _, id in ipairs(ids) do
    local _, fields = by_id(id)
    if fields and is_alive(fields) and tonumber(get(fields, 't')) > 0 and #rows < limit then
      rows[#rows + 1] = fields
    end
  end
  if #ids < step then
    break
  end
  start = start + step
end
return rows
