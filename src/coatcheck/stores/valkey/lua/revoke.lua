-- 'hash', its value | 'id', its value, whether it must be a user's ('1'), the user | 'user', the user, the id to keep
-- -> the fields of those that ended
local sessions, user = {}, nil
if ARGV[3] == 'user' then
  user = ARGV[4]
  for _, session in ipairs(of_user(user)) do
    if get(session[2], 'id') ~= ARGV[5] then
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
  if fields and (ARGV[3] == 'hash' or ARGV[5] ~= '1' or get(fields, 'u') == ARGV[6]) then
    sessions[1] = { hash, fields }
  end
end
end_sessions(sessions, user and 'u:' .. user)
return ended_of(sessions)
