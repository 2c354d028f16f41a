-- a place, nothing, the filter -> the place to go on at, and whose the sessions are, each user once
local found, place = walk(-1)
local seen, users = {}, {}
for _, session in ipairs(found) do
  local user = get(session[2], 'u')
  if user and not seen[user] then
    seen[user] = true
    users[#users + 1] = user
  end
end
return { place, users }
