-- Record what became of a claimed contact's oldest events, and say what happens to the contact next.
--
-- KEYS[1] outbox     list of the contact
-- KEYS[2] due        zset  contact -> ms
-- KEYS[3] lease      hash  contact -> who holds it, see claim.lua
-- KEYS[4] parked     hash  contact -> JSON
-- KEYS[5] pending    string, number of events in all outboxes
-- KEYS[6] dead       hash  id -> JSON
-- KEYS[7] dead_at    zset  id -> ms, to the microsecond
-- KEYS[8] stats      hash, counters of this minute
-- KEYS[9] totals     hash, counters since the start of data
-- KEYS[10] measures  hash, further counters since the start of data
-- KEYS[11] log       stream of what became of events
-- KEYS[12] because   hash  digest -> why events were filtered
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] who holds the contact by now: what claim.lua or the settle before this one has put there
-- ARGV[3] contact
-- ARGV[4] number of events to take off the head of the outbox
-- ARGV[5] what replaces the event then at the head, or '' to leave it
-- ARGV[6] next: 'keep' the contact claimed, 'release' it, or 'park' it
-- ARGV[7] for 'park': ms from now until it is due
-- ARGV[8] for 'park': JSON of the parked hash
-- ARGV[9] prefix of the seen keys (of the same hash tag)
-- ARGV[10] length of a seen window in ms
-- ARGV[11] for how many seconds the counters of a minute are kept
-- ARGV[12] who holds it after this one: token of the claim ':' number of settles
-- ARGV[13] number of digests, then the digests of the settled messageIds, 16 bytes each
-- then       number of counters, then name and increment of each
-- then       number of dead letters, then id and JSON of each
-- then       measures, a JSON object name -> increment, or ''
-- then       entry of the log or '', entries it keeps about
-- then       number of explanations; where there are any, for how many seconds they are kept, how many are kept at
--            most, then digest and JSON of each
--
-- Returns {1, events left in the outbox}; or {0, 0} where the claim is gone: then nothing changed. A repeat,
-- after an answer that was lost, changes nothing either.

local contact = ARGV[3]
local holder = redis.call('HGET', KEYS[3], contact)
if holder == ARGV[12] then
  return {1, redis.call('LLEN', KEYS[1])}
end
if holder ~= ARGV[2] then
  return {0, 0}
end
local now = tonumber(ARGV[1])
local precise = now
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
  precise = time[1] * 1000 + time[2] / 1000
end

-- A first write that needs no memory: the rest of the script is then let through even where Redis is full, and
-- delivering is what empties it.
redis.call('PERSIST', KEYS[2])

local taken = tonumber(ARGV[4])
if taken > 0 then
  redis.call('LTRIM', KEYS[1], taken, -1)
  redis.call('DECRBY', KEYS[5], taken)
end
if ARGV[5] ~= '' then
  redis.call('LSET', KEYS[1], 0, ARGV[5])
end

-- A window's digests lie packed in 4,096 strings: 256 hashes by the first byte, 16 fields by half of the second.
local at = 13
local window_ms = tonumber(ARGV[10])
local window = math.floor(now / window_ms)
for i = at + 1, at + tonumber(ARGV[at]) do
  local digest = ARGV[i]
  local key = string.format('%s%d:%02x', ARGV[9], window, string.byte(digest, 1))
  local field = string.format('%x', math.floor(string.byte(digest, 2) / 16))
  local known = redis.call('HGET', key, field)
  redis.call('HSET', key, field, (known or '') .. digest)
  if not known then
    redis.call('PEXPIRE', key, (window + 2) * window_ms - now)
  end
end
at = at + tonumber(ARGV[at]) + 1

local counters = tonumber(ARGV[at])
for i = at + 1, at + 2 * counters, 2 do
  redis.call('HINCRBY', KEYS[8], ARGV[i], ARGV[i + 1])
  redis.call('HINCRBY', KEYS[9], ARGV[i], ARGV[i + 1])
end
if counters > 0 then
  redis.call('EXPIRE', KEYS[8], ARGV[11])
end
at = at + 2 * counters + 1

-- A thousandth of a millisecond apart, so that a replay finds them in the order in which they died.
for i = at + 1, at + 2 * tonumber(ARGV[at]), 2 do
  redis.call('HSET', KEYS[6], ARGV[i], ARGV[i + 1])
  redis.call('ZADD', KEYS[7], string.format('%.3f', precise + (i - at - 1) / 2000), ARGV[i])
end

at = at + 2 * tonumber(ARGV[at]) + 1

-- How often each mapping fired is counted since the start only: fifty of them would swell every minute.
if ARGV[at] ~= '' then
  for name, increment in pairs(cjson.decode(ARGV[at])) do
    redis.call('HINCRBY', KEYS[10], name, increment)
    local kind = string.sub(name, 1, 5)
    if kind == 'took:' or kind == 'wait:' then
      redis.call('HINCRBY', KEYS[8], name, increment)
    end
  end
end
if ARGV[at + 1] ~= '' then
  redis.call('XADD', KEYS[11], 'MAXLEN', '~', ARGV[at + 2], '*', 'e', ARGV[at + 1])
end
for i = at + 6, at + 5 + 2 * tonumber(ARGV[at + 3]), 2 do
  if redis.call('HLEN', KEYS[12]) < tonumber(ARGV[at + 5]) and redis.call('HSETNX', KEYS[12], ARGV[i], ARGV[i + 1]) == 1 then
    redis.call('EXPIRE', KEYS[12], ARGV[at + 4])
  end
end

local left = redis.call('LLEN', KEYS[1])
if ARGV[6] == 'park' then
  redis.call('ZADD', KEYS[2], now + ARGV[7], contact)
  redis.call('HSET', KEYS[4], contact, ARGV[8])
  redis.call('HDEL', KEYS[3], contact)
else
  redis.call('HDEL', KEYS[4], contact)
  redis.call('HSET', KEYS[3], contact, ARGV[12])
  if ARGV[6] == 'release' then
    if left > 0 then
      redis.call('ZADD', KEYS[2], now, contact)
    else
      redis.call('ZREM', KEYS[2], contact)
    end
    redis.call('HDEL', KEYS[3], contact)
  end
end
return {1, left}
