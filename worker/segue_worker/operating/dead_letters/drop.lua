-- Delete dead letters.
--
-- KEYS[1] dead       hash  id -> JSON
-- KEYS[2] dead_at    zset  id -> ms
-- KEYS[3] totals     hash, counters of all time
-- ARGV[i]            id of a letter
--
-- Returns how many there were.

local dropped = redis.call('HDEL', KEYS[1], unpack(ARGV))
redis.call('ZREM', KEYS[2], unpack(ARGV))
if dropped > 0 then
  redis.call('HINCRBY', KEYS[3], 'dropped', dropped)
end
return dropped
