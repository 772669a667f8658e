-- The state of a destination and its counters. Only reads. `waits_since` is that of waits_since.lua.
--
-- KEYS[1] pending    string, number of events in all outboxes
-- KEYS[2] due        zset  live contact that waits -> ms since which it has
-- KEYS[3] lease      hash  contact -> who holds it, see outbox/claim.lua
-- KEYS[4] parked     hash  contact -> JSON
-- KEYS[5] dead       hash  id -> JSON
-- KEYS[6] paused     string, present while the destination is paused
-- KEYS[7] totals     hash, counters of all time
-- KEYS[8] away       zset  contact that is claimed or parked -> ms at which it waits again
-- KEYS[9] settled    string, ms at which something was last settled
-- KEYS[10] bulk      zset  bulk contact that waits -> ms since which it has
-- KEYS[11] live      hash, see lanes.lua
-- KEYS[12] pending_bulk   string, number of those events that are in bulk
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] about how many parked contacts are looked at
--
-- Returns {in flight, parked, dead, ms since something was last settled or -1, paused or '', {counter, count, counter, count,
--          ...}, live, bulk}; of each lane {pending, due, ms since the oldest began to wait, ms since the one that could be
--          delivered to for longest can be}.

-- A killed run leaves its leases behind; they are over once their contacts may be claimed again. Of those that are
-- parked or claimed, the ones whose time has come wait already, though no claim has moved them yet.
local lanes = {due = KEYS[2], bulk = KEYS[10], live = KEYS[11]}
local in_flight = 0
local parked = redis.call('HLEN', KEYS[4])
for _, contact in ipairs(redis.call('HKEYS', KEYS[3])) do
  if tonumber(redis.call('ZSCORE', KEYS[8], contact) or 0) > now then
    in_flight = in_flight + 1
    parked = parked - redis.call('HEXISTS', KEYS[4], contact)
  end
end

-- Where many come back at once, as behind a long pause, not each of them is asked for its lane.
local due = {live = redis.call('ZCARD', KEYS[2]) + redis.call('ZCOUNT', KEYS[8], '-inf', now), bulk = redis.call('ZCARD', KEYS[10])}
for _, contact in ipairs(redis.call('ZRANGEBYSCORE', KEYS[8], '-inf', now, 'LIMIT', 0, ARGV[2])) do
  if live_events(lanes, contact) == 0 then
    due.live, due.bulk = due.live - 1, due.bulk + 1
  end
end

local settled = tonumber(redis.call('GET', KEYS[9]) or '')
local idle = idle_since(lanes, KEYS[3], KEYS[8], KEYS[4])
local oldest = waits_since(lanes, KEYS[3], KEYS[4], ARGV[2])
-- Less than none is what a key leaves that was removed by hand, until the events are counted again.
local pending = math.max(0, tonumber(redis.call('GET', KEYS[1]) or 0) or 0)
local pending_bulk = math.max(0, math.min(pending, tonumber(redis.call('GET', KEYS[12]) or 0) or 0))
return {
  in_flight,
  parked,
  redis.call('HLEN', KEYS[5]),
  settled and math.max(0, now - settled) or -1,
  redis.call('GET', KEYS[6]) or '',
  redis.call('HGETALL', KEYS[7]),
  {pending - pending_bulk, due.live, now - oldest.live, math.max(0, now - idle.live)},
  {pending_bulk, due.bulk, now - oldest.bulk, math.max(0, now - idle.bulk)},
}
