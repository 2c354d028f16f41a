-- a place, how many at most or '' to count, the filter -> the place to go on at, and the fields of sessions or how many
local limit = tonumber(ARGV[5])
local found, place = walk(limit or -1)
if not limit then
  return { place, #found }
end
local rows = {}
for i, session in ipairs(found) do
  rows[i] = session[2]
end
return { place, rows }
