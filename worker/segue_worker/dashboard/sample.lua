-- Keep the largest value seen in a minute.
--
-- KEYS[1] stats      hash, counters of the minute
-- ARGV[1] field
-- ARGV[2] value, a whole number
-- ARGV[3] for how many seconds the counters of a minute are kept
--
-- Returns 1 where the value is the largest so far, else 0: then nothing changed.

if tonumber(ARGV[2]) <= tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or -1) then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
