-- End a run if nothing is due, or hand over where the caller must leave.
--
-- In one step, so that no append sees a live run that is already leaving.
--
-- KEYS[1] run        string, owner token
-- KEYS[2] due        zset  contact -> ms
-- KEYS[3] paused     string, present while the destination is held
-- KEYS[4] hinted     string, present for a moment after a hint
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] owner token
-- ARGV[3] 1 where the caller must leave in any case, else 0
--
-- Returns 0: the run has ended; 1: it has ended with work due, send a hint; 2: it goes on.

local now = tonumber(ARGV[1])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local due = redis.call('EXISTS', KEYS[3]) == 0 and redis.call('ZCOUNT', KEYS[2], '-inf', now) > 0
local owned = redis.call('GET', KEYS[1]) == ARGV[2]
if due and owned and ARGV[3] == '0' then
  return 2
end
-- A first write that needs no memory: the rest of the script is then let through even where Redis is full, and
-- delivering is what empties it.
redis.call('PERSIST', KEYS[2])
if owned then
  redis.call('DEL', KEYS[1])
end
if due then
  redis.call('SET', KEYS[4], '1', 'PX', 1000)
  return 1
end
return 0
