-- 'hash', its value | 'id', its value, whether it must be a user's ('1'), the user, the kind or empty
-- | 'user', the user, the id to keep, the kind or empty
-- -> the fields of those that ended
local sessions, user = {}, nil
local function is_of(fields, kind)
  return kind == '' or kind_of(fields) == kind
end
if ARGV[3] == 'user' then
  user = ARGV[4]
  for _, session in ipairs(of_user(user)) do
    if get(session[2], 'id') ~= ARGV[5] and is_of(session[2], ARGV[6]) then
      sessions[#sessions + 1] = session
    end
  end
else
  local hash, fields = ARGV[4], nil
  if ARGV[3] == 'id' then
    hash, fields = by_id(ARGV[4])
  else
    hash = current(hash)
    fields = fields_of(hash)
  end
  local owned = ARGV[3] == 'hash' or ((ARGV[5] ~= '1' or get(fields or {}, 'u') == ARGV[6]) and is_of(fields or {}, ARGV[7]))
  if fields and owned then
    sessions[1] = { hash, fields }
  end
end
end_sessions(sessions, user and 'u:' .. user)
return ended_of(sessions)
