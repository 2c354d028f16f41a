-- by ('hash' or 'id'), its value -> epoch, position, now, the fields or nothing, of a retired token its session and the
-- end of its grace
local hash, fields, row = ARGV[4], nil, nil
if ARGV[3] == 'id' then
  hash, fields = by_id(ARGV[4])
else
  row = retired(hash)
  if not row then
    fields = fields_of(hash)
  elseif row.ends > now then
    fields = fields_of(row.successor)
  end
end
return { epoch or '', int(position or 0), int(now), fields or false, row and { row.id, int(row.ends) } or false }
