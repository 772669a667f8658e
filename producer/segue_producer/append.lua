-- Append events to the outboxes of one destination: all of them, or none.
--
-- KEYS[1] due        zset  contact that waits -> ms since which it has
-- KEYS[2] run        string, present while a run is alive
-- KEYS[3] pending    string, number of events in all outboxes
-- KEYS[4] settings   hash, field max_pending
-- KEYS[5] hinted     string, present for a moment after a hint
-- KEYS[6] paused     string, present while the destination is held
-- KEYS[7] stats      hash, counters of this minute
-- KEYS[8] measures   hash, further counters since the start of data
-- KEYS[9] away       zset  contact -> ms: contacts that a run has claimed, or that are parked
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] max_pending where the settings name none
-- ARGV[3] for how many seconds the counters of a minute are kept
-- ARGV[4] prefix of the outbox keys (of the same hash tag)
-- ARGV[3 + 2i], ARGV[4 + 2i]   contact and entry of event i
--
-- Returns {1, hint}: all appended, and whether the caller is to send a hint (1) or not (0);
--      or {0, pending, max_pending}: refused, nothing changed. Nothing changes either where a key is damaged: whatever can
--      fail comes first, or is undone, or only counts.

local count = (#ARGV - 4) / 2
local limit = tonumber(redis.call('HGET', KEYS[4], 'max_pending') or ARGV[2])
local pending = tonumber(redis.call('GET', KEYS[3]) or 0) or 0
if pending + count > limit then
  return {0, pending, limit}
end
redis.call('ZCARD', KEYS[1])
-- Where nobody is away, nobody needs to be looked for there.
local some_away = redis.call('ZCARD', KEYS[9]) > 0
for i = 5, #ARGV, 2 do
  local length = redis.pcall('RPUSH', ARGV[4] .. ARGV[i], ARGV[i + 1])
  if type(length) == 'table' then
    for back = i - 2, 5, -2 do
      redis.call('RPOP', ARGV[4] .. ARGV[back])
    end
    return length
  end
end
redis.call('SET', KEYS[3], pending + count)

local waiting = 0
for i = 5, #ARGV, 2 do
  -- A contact that is claimed or parked comes back by itself, to the place it had.
  if not (some_away and redis.call('ZSCORE', KEYS[9], ARGV[i])) then
    waiting = waiting + redis.call('ZADD', KEYS[1], 'NX', now, ARGV[i])
  end
end
redis.pcall('HINCRBY', KEYS[8], 'enqueued', count)
if redis.pcall('HINCRBY', KEYS[7], 'enqueued', count) == count then
  redis.call('EXPIRE', KEYS[7], ARGV[3])
end

-- A contact that already waited has had its hint.
return {1, waiting > 0 and hint_wanted(KEYS[2], KEYS[6], KEYS[5]) or 0}
