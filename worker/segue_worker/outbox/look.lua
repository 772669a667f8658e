-- Look at a destination: whether it is paused, has work, and has runs.
--
-- KEYS[1] due        zset  live contact that waits -> ms since which it has
-- KEYS[2] away       zset  contact that is claimed or parked -> ms at which it waits again
-- KEYS[3] paused     string, present while the destination is paused
-- KEYS[4] clock      string, ms of the last claim, heartbeat or sweep
-- KEYS[5] bulk       zset  bulk contact that waits -> ms since which it has
-- KEYS[5 + i]        run number i - 1, a string: the run's owner token ':' ms of its last heartbeat
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] ms for which a run is alive without a heartbeat, and a claim lasts
-- ARGV[3] now in ms, had nobody set the clock, as the caller counts it: redis_time.py
--
-- Returns {pause or '', number of contacts that may be claimed, number of runs alive, now in ms}.
--
-- The time must be that of this very step: one that was read earlier looks like a clock that was set back.

follow_clock(KEYS[4], KEYS[2], ARGV[3], ARGV[2])
local runs = 0
for i = 6, #KEYS do
  if is_alive(redis.call('GET', KEYS[i]), tonumber(ARGV[2])) then
    runs = runs + 1
  end
end
return {
  redis.call('GET', KEYS[3]) or '',
  redis.call('ZCARD', KEYS[1]) + redis.call('ZCARD', KEYS[5]) + redis.call('ZCOUNT', KEYS[2], '-inf', now),
  runs,
  now,
}
