-- End a run if nothing waits, or hand over where the caller must leave.
--
-- In one step, so that no append sees a live run that is already leaving.
--
-- KEYS[1] run        string: owner token ':' ms of its last heartbeat
-- KEYS[2] due        zset  live contact that waits -> ms since which it has
-- KEYS[3] paused     string, present while the destination is paused
-- KEYS[4] hinted     string, present for a moment after a hint
-- KEYS[5] away       zset  contact that is claimed or parked -> ms at which it waits again
-- KEYS[6] bulk       zset  bulk contact that waits -> ms since which it has
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] owner token
-- ARGV[3] 1 where the caller must leave in any case, else 0
--
-- Returns 0: the run has ended; 1: it has ended with work waiting, send a hint; 2: it goes on.

local due = redis.call('EXISTS', KEYS[3]) == 0
  and (redis.call('EXISTS', KEYS[2], KEYS[6]) > 0 or redis.call('ZCOUNT', KEYS[5], '-inf', now) > 0)
local owned = string.sub(redis.call('GET', KEYS[1]) or '', 1, #ARGV[2] + 1) == ARGV[2] .. ':'
if due and owned and ARGV[3] == '0' then
  return 2
end
if owned then
  redis.call('DEL', KEYS[1])
end
if due then
  redis.call('SET', KEYS[4], '1', 'PX', 1000)
  return 1
end
return 0
