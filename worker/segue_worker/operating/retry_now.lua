-- Bring a parked contact's next attempt forward to now.
--
-- KEYS[1] due        zset  contact -> ms
-- KEYS[2] lease      hash  contact -> owner token ':' what claim.lua says
-- KEYS[3] parked     hash  contact -> JSON
-- KEYS[4] run        string, present while a run is alive
-- KEYS[5] hinted     string, present for a moment after a hint
-- KEYS[6] paused     string, present while the destination is held
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] contact
--
-- Returns {outcome, hint}. Outcome: 'now', its attempt is due; 'claimed', a run is at it, nothing changed; 'gone', it is
-- not parked (any more), nothing changed. Hint: 1 where the caller is to send one.

local contact = ARGV[2]
local due = tonumber(redis.call('ZSCORE', KEYS[1], contact) or '')
if not due or redis.call('HEXISTS', KEYS[3], contact) == 0 then
  return {'gone', 0}
end
local now = tonumber(ARGV[1])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
-- A killed run leaves its leases behind; they are over once their contacts are due again.
if due > now and redis.call('HEXISTS', KEYS[2], contact) == 1 then
  return {'claimed', 0}
end
if due > now then
  redis.call('ZADD', KEYS[1], now, contact)
end
local hint = 0
if redis.call('EXISTS', KEYS[4]) == 0 and redis.call('EXISTS', KEYS[6]) == 0
   and redis.call('SET', KEYS[5], '1', 'NX', 'PX', 1000) then
  hint = 1
end
return {'now', hint}
