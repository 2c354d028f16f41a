-- Stands before every script. KEYS[1] is the meta key, from whose name all others are made: they share its hash tag.
-- ARGV[1] is the time in microseconds, or empty for the server's; ARGV[2] is a random word, used as the name of a new
-- epoch or generation.
local meta_key = KEYS[1]
local base = string.sub(meta_key, 1, -5)
local log_key = base .. 'log'
local dead_key = base .. 'dead'
local nonce = ARGV[2]
local MARGIN = 86400000 -- an entry outlives its session by so many milliseconds, to be answered as expired until then
local MANY = 1000 -- more sessions of one user than this end with one log entry

local now
if ARGV[1] == '' then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
else
  now = tonumber(ARGV[1])
end

local meta = redis.call('HMGET', meta_key, 'epoch', 'position', 'floor', 'generation')
local epoch, position, floor, generation = meta[1], tonumber(meta[2]), tonumber(meta[3]), meta[4]

-- Numbers are doubles here, exact up to 2^53; tostring would round them to 14 digits.
local function int(number)
  return string.format('%.0f', number)
end

local function key(kind, name)
  return base .. (generation or '') .. ':' .. kind .. ':' .. name
end

local function index(kind)
  return base .. (generation or '') .. ':' .. kind
end

local function ends_at(idle, absolute)
  if absolute then
    return math.min(tonumber(idle), tonumber(absolute))
  end
  return tonumber(idle)
end

-- A session's fields as a list of names and values, or nothing.
local function fields_of(hash)
  local fields = redis.call('HGETALL', key('s', hash))
  return #fields > 0 and fields or nil
end

local function get(fields, name)
  for i = 1, #fields, 2 do
    if fields[i] == name then
      return fields[i + 1]
    end
  end
  return nil
end

-- What a row is; of sessions nothing is said.
local function kind_of(fields)
  return get(fields, 'q') or 'session'
end

local function is_alive(fields)
  return ends_at(get(fields, 'i'), get(fields, 'x')) > now
end

-- What is known of a retired token: its session, its successor's hash, the seal and the end of its grace; or nothing.
local function retired(hash)
  local row = redis.call('HMGET', key('r', hash), 'id', 'n', 's', 'e')
  if row[1] then
    return { id = row[1], successor = row[2], seal = row[3], ends = tonumber(row[4]) }
  end
  return nil
end

-- The hash that a token stands for: its own, or its successor's, with `now` only while its grace lasts.
local function current(hash, moment)
  local row = retired(hash)
  if row and (not moment or row.ends > moment) then
    return row.successor
  end
  return hash
end

-- The hash under which the session with an id stands, and its fields, or nothing.
local function by_id(id)
  local hash = redis.call('GET', key('i', id))
  if not hash then
    return nil
  end
  return hash, fields_of(hash)
end
