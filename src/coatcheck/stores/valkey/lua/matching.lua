-- Stands before every script that searches, after common.lua. ARGV[3] and ARGV[4] are a place in the list of sessions,
-- last-seen time and id; then names and values of the filter follow. Which sessions a filter means is said here only.
local SCANNED = 500 -- sessions that one script looks at, at most
local wanted, wanted_ids = {}, nil
for i = 6, #ARGV, 2 do
  wanted[ARGV[i]] = ARGV[i + 1]
end
if wanted.ids then
  wanted_ids = {}
  for _, id in ipairs(cjson.decode(wanted.ids)) do
    wanted_ids[id] = true
  end
end

local function within(moment, since, before)
  return (not since or moment >= tonumber(since)) and (not before or moment < tonumber(before))
end

-- Rows of another kind are no sessions.
local function matches(fields)
  local id, user = get(fields, 'id'), get(fields, 'u')
  if not is_alive(fields) or kind_of(fields) ~= 'session'
    or (wanted.user_id and user ~= wanted.user_id)
    or (wanted.signed_in and (user ~= nil) ~= (wanted.signed_in == '1'))
    or (wanted_ids and not wanted_ids[id])
    or not within(tonumber(get(fields, 'l')), wanted.active_since, wanted.active_before)
    or not within(tonumber(get(fields, 'c')), wanted.created_since, wanted.created_before) then
    return false
  end
  if not wanted.text then
    return true
  end
  local searched = { id, user or '', get(fields, 'ip') or '', get(fields, 'ua') or '' }
  return string.find(string.lower(table.concat(searched, '\n')), string.lower(wanted.text), 1, true) ~= nil
end

-- As the index orders them: byte by byte, whatever the server's locale is.
local function comes_before(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then
      return a < b
    end
  end
  return #one < #other
end

-- Where in the index to go on: behind the place, and behind what was used too late for the filter.
local function first_rank()
  local seen, last = ARGV[3], ARGV[4]
  local rank, start = redis.call('ZREVRANK', index('a'), last), nil
  if rank and tonumber(redis.call('ZSCORE', index('a'), last)) == tonumber(seen) then
    start = rank + 1
  else
    start = redis.call('ZCOUNT', index('a'), '(' .. seen, '+inf')
  end
  if wanted.active_before then
    start = math.max(start, redis.call('ZCOUNT', index('a'), wanted.active_before, '+inf'))
  end
  return start
end

-- The next of the sessions that the filter means, as pairs of hash and fields, and the place to go on at, if there is one.
local function walk(limit)
  local found, scanned, start = {}, 0, first_rank()
  local seen, last, since = tonumber(ARGV[3]), ARGV[4], tonumber(wanted.active_since or -math.huge)
  while true do
    local page = redis.call('ZREVRANGE', index('a'), start, start + SCANNED - 1, 'WITHSCORES')
    for i = 1, #page, 2 do
      local id, score = page[i], tonumber(page[i + 1])
      if score < since then
        return found, false
      end
      if score ~= seen or comes_before(id, last) then
        scanned = scanned + 1
        local hash, fields = by_id(id)
        if fields and matches(fields) then
          found[#found + 1] = { hash, fields }
        end
        if #found == limit or scanned == SCANNED then
          return found, { int(score), id }
        end
      end
    end
    if #page < 2 * SCANNED then
      return found, false
    end
    start = start + SCANNED
  end
end
