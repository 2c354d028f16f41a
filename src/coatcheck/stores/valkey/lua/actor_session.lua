-- id -> the id of the live session that it ends with, or nothing
local _, fields = by_id(ARGV[3])
local actor = fields and get(fields, 'f')
if actor then
  local _, acting = by_id(actor)
  return acting and is_alive(acting) and actor or false
end
return false
