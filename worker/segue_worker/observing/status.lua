-- The state of a destination and its counters. Only reads. `waits_since` is that of waits_since.lua.
--
-- KEYS[1] pending    string, number of events in all outboxes
-- KEYS[2] due        zset  contact that waits -> ms since which it has
-- KEYS[3] lease      hash  contact -> who holds it, see outbox/claim.lua
-- KEYS[4] parked     hash  contact -> JSON
-- KEYS[5] dead       hash  id -> JSON
-- KEYS[6] paused     string, present while the destination is held
-- KEYS[7] totals     hash, counters of all time
-- KEYS[8] away       zset  contact that is claimed or parked -> ms at which it waits again
-- KEYS[9] settled    string, ms at which something was last settled
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] about how many parked contacts are looked at for the oldest
--
-- Returns {pending, due, in flight, parked, dead, ms since the oldest that is due or claimed began to wait, ms since
--          something was last settled or -1, ms since the oldest began to wait, paused or '',
--          {counter, count, counter, count, ...}}.

-- A killed run leaves its leases behind; they are over once their contacts may be claimed again. Of those that are
-- parked or claimed, the ones whose time has come wait already, though no claim has moved them yet.
local in_flight = 0
local parked = redis.call('HLEN', KEYS[4])
for _, contact in ipairs(redis.call('HKEYS', KEYS[3])) do
  if tonumber(redis.call('ZSCORE', KEYS[8], contact) or 0) > now then
    in_flight = in_flight + 1
    parked = parked - redis.call('HEXISTS', KEYS[4], contact)
  end
end

local settled = tonumber(redis.call('GET', KEYS[9]) or '')

return {
  tonumber(redis.call('GET', KEYS[1]) or 0),
  redis.call('ZCARD', KEYS[2]) + redis.call('ZCOUNT', KEYS[8], '-inf', now),
  in_flight,
  parked,
  redis.call('HLEN', KEYS[5]),
  now - idle_since(KEYS[2], KEYS[3]),
  settled and math.max(0, now - settled) or -1,
  now - waits_since(KEYS[2], KEYS[3], KEYS[4], ARGV[2]),
  redis.call('GET', KEYS[6]) or '',
  redis.call('HGETALL', KEYS[7]),
}
