-- Put the events of one dead letter back into their contact's outbox.
--
-- KEYS[1]  dead      hash  id -> JSON
-- KEYS[2]  dead_at   zset  id -> ms
-- KEYS[3]  outbox    list of the letter's contact
-- KEYS[4]  due       zset  live contact that waits -> ms since which it has
-- KEYS[5]  pending   string, number of events in all outboxes
-- KEYS[6]  run       string, present while a run is alive
-- KEYS[7]  hinted    string, present for a moment after a hint
-- KEYS[8]  paused    string, present while the destination is paused
-- KEYS[9]  stats     hash, counters of this minute
-- KEYS[10] totals    hash, counters of all time
-- KEYS[11] log       stream of what became of events
-- KEYS[12] away      zset  contact that is claimed or parked -> ms at which it waits again
-- KEYS[13] bulk      zset  bulk contact that waits -> ms since which it has
-- KEYS[14] live      hash, see lanes.lua
-- KEYS[15] pending_bulk   string, number of those events that are in bulk
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] id of the letter
-- ARGV[3] contact
-- ARGV[4] for how many seconds the counters of a minute are kept
-- ARGV[5] entry of the log
-- ARGV[6] entries it keeps, about
-- ARGV[7] lane       'live' or 'bulk'
-- ARGV[7 + i]        entry i of the outbox
--
-- Returns {1, hint}: done, and whether the caller is to send a hint (1) or not (0); {0, 0}: there is no such letter
-- (any more), nothing changed. Nor does anything change where a key is damaged: what can fail comes first, or only counts.
--
-- max_pending is no bound here: it protects Redis's memory, and these events are in it already.

local lanes = {due = KEYS[4], bulk = KEYS[13], live = KEYS[14]}
redis.call('LLEN', KEYS[3])
redis.call('ZCARD', KEYS[2])
redis.call('ZCARD', KEYS[4])
redis.call('ZCARD', KEYS[12])
local mixed = redis.call('ZCARD', KEYS[13]) + redis.call('HLEN', KEYS[14]) > 0
if redis.call('HDEL', KEYS[1], ARGV[2]) == 0 then
  return {0, 0}
end
redis.call('ZREM', KEYS[2], ARGV[2])
local waiting, in_bulk = false, 0
for i = 8, #ARGV do
  local waits, more = join(lanes, KEYS[12], ARGV[3], redis.call('RPUSH', KEYS[3], ARGV[i]), ARGV[7], mixed)
  waiting, in_bulk = waiting or waits, in_bulk + more
end
redis.pcall('INCRBY', KEYS[5], #ARGV - 7)
redis.pcall('INCRBY', KEYS[15], in_bulk)
redis.pcall('HINCRBY', KEYS[9], 'replayed', 1)
redis.call('EXPIRE', KEYS[9], ARGV[4])
redis.pcall('HINCRBY', KEYS[10], 'replayed', 1)
redis.pcall('XADD', KEYS[11], 'MAXLEN', '~', ARGV[6], '*', 'e', ARGV[5])

-- A contact that already waited has had its hint.
return {1, waiting and hint_wanted(KEYS[6], KEYS[8], KEYS[7]) or 0}
