-- Append events to the outboxes of one destination: all of them, or none.
--
-- KEYS[1] due        zset  live contact that waits -> ms since which it has
-- KEYS[2] run        string, present while a run is alive
-- KEYS[3] pending    string, number of events in all outboxes
-- KEYS[4] settings   hash, field max_pending
-- KEYS[5] hinted     string, present for a moment after a hint
-- KEYS[6] paused     string, present while the destination is paused
-- KEYS[7] stats      hash, counters of this minute
-- KEYS[8] measures   hash, further counters of all time
-- KEYS[9] away       zset  contact -> ms: contacts that a run has claimed, or that are parked
-- KEYS[10] bulk      zset  bulk contact that waits -> ms since which it has
-- KEYS[11] live      hash, see lanes.lua
-- KEYS[12] pending_bulk   string, number of those events that are in bulk
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] max_pending where the settings name none
-- ARGV[3] for how many seconds the counters of a minute are kept
-- ARGV[4] prefix of the outbox keys (of the same hash tag)
-- ARGV[5] lane       'live' or 'bulk'
-- ARGV[4 + 2i], ARGV[5 + 2i]   contact and entry of event i
--
-- Returns {1, hint}: all appended, and whether the caller is to send a hint (1) or not (0);
--      or {0, pending, max_pending}: refused, nothing changed. Nothing changes either where a key is damaged: whatever can
--      fail comes first, or is undone, or only counts.

-- So much of it bulk may fill; the rest is kept for live events.
local BULK_SHARE = 0.9

local lanes = {due = KEYS[1], bulk = KEYS[10], live = KEYS[11]}
local count = (#ARGV - 5) / 2
local limit = tonumber(redis.call('HGET', KEYS[4], 'max_pending') or ARGV[2])
if ARGV[5] == 'bulk' then
  limit = math.max(1, math.floor(limit * BULK_SHARE))
end
local pending = tonumber(redis.call('GET', KEYS[3]) or 0) or 0
if pending + count > limit then
  return {0, pending, limit}
end
redis.call('ZCARD', KEYS[1])
-- Where nobody is away, nobody needs to be looked for there.
local away = redis.call('ZCARD', KEYS[9]) > 0 and KEYS[9]
local mixed = redis.call('EXISTS', KEYS[10], KEYS[11]) > 0
if mixed then
  redis.call('ZCARD', KEYS[10])
  redis.call('HLEN', KEYS[11])
end
-- Nearly always all is live and nobody is away: then all contacts come to wait by one command.
local alike = ARGV[5] == 'live' and not mixed and not away
local lengths, placed = {}, {}
-- What is asked for each event is looked up once.
local push, outbox = redis.pcall, ARGV[4]
for i = 6, #ARGV, 2 do
  local contact = ARGV[i]
  local length = push('RPUSH', outbox .. contact, ARGV[i + 1])
  if type(length) == 'table' then
    for back = i - 2, 6, -2 do
      redis.call('RPOP', outbox .. ARGV[back])
    end
    return length
  end
  if alike then
    placed[i - 5], placed[i - 4] = now_text, contact
  else
    lengths[i] = length
  end
end
redis.call('SET', KEYS[3], pending + count)

local waiting, in_bulk = false, 0
if alike then
  waiting = count > 0 and redis.call('ZADD', KEYS[1], 'NX', unpack(placed)) > 0
else
  for i = 6, #ARGV, 2 do
    local waits, more = join(lanes, away, ARGV[i], lengths[i], ARGV[5], mixed)
    waiting, in_bulk = waiting or waits, in_bulk + more
  end
end
if in_bulk ~= 0 then
  redis.pcall('INCRBY', KEYS[12], in_bulk)
end
redis.pcall('HINCRBY', KEYS[8], 'enqueued', count)
if redis.pcall('HINCRBY', KEYS[7], 'enqueued', count) == count then
  redis.call('EXPIRE', KEYS[7], ARGV[3])
end

-- A contact that already waited has had its hint.
return {1, waiting and hint_wanted(KEYS[2], KEYS[6], KEYS[5]) or 0}
