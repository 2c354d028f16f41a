-- by ('hash' or 'id'), its value -> epoch, position, now, the fields or nothing
local hash, fields = ARGV[4], nil
if ARGV[3] == 'id' then
  hash, fields = by_id(ARGV[4])
else
  fields = fields_of(hash)
end
return { epoch or '', int(position or 0), int(now), fields or false }
