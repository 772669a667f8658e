-- Keep dead letters of events that never were in an outbox of the destination. The same letter again changes nothing.
--
-- KEYS[1] dead      hash  id -> letter
-- KEYS[2] dead_at   zset  id -> ms
-- KEYS[3] totals    hash, counters of all time
-- KEYS[4] stats     hash, counters of this minute
-- KEYS[5] measures  hash, further counters of all time
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] for how many seconds the counters of a minute are kept
-- ARGV[3i], ARGV[3i + 1], ARGV[3i + 2]   id and JSON of letter i, and in a word why it was refused
--
-- Returns how many are new.

local kept = 0
for i = 3, #ARGV, 3 do
  if redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) == 1 then
    redis.call('ZADD', KEYS[2], now, ARGV[i])
    redis.call('HINCRBY', KEYS[5], 'rejected:' .. ARGV[i + 2], 1)
    kept = kept + 1
  end
end
if kept > 0 then
  redis.call('HINCRBY', KEYS[3], 'dead', kept)
  redis.call('HINCRBY', KEYS[4], 'dead', kept)
  redis.call('EXPIRE', KEYS[4], ARGV[2])
end
return kept
