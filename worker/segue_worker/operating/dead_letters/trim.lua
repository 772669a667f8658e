-- Delete the oldest dead letters: those that were kept long enough, and those beyond the number to keep.
--
-- KEYS[1] dead       hash  id -> JSON
-- KEYS[2] dead_at    zset  id -> ms
-- KEYS[3] totals     hash, counters of all time
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] for how many ms a letter is kept
-- ARGV[3] how many are kept
-- ARGV[4] how many are deleted at once, so that the script is short
--
-- Returns how many were deleted; if that is ARGV[4], there may be more.

local old = redis.call('ZCOUNT', KEYS[2], '-inf', now - ARGV[2])
local beyond = redis.call('ZCARD', KEYS[2]) - ARGV[3]
local count = math.min(math.max(old, beyond), tonumber(ARGV[4]))
if count <= 0 then
  return 0
end
local ids = redis.call('ZRANGE', KEYS[2], 0, count - 1)
redis.call('HDEL', KEYS[1], unpack(ids))
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, count - 1)
redis.call('HINCRBY', KEYS[3], 'dead_dropped', count)
return count
