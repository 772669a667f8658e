-- What a destination is doing now, and what it has done. Reads only. `waits_since` is that of waits_since.lua.
--
-- KEYS[1] pending    string, number of events in all outboxes
-- KEYS[2] due        zset  contact -> ms
-- KEYS[3] lease      hash  contact -> owner token
-- KEYS[4] parked     hash  contact -> JSON
-- KEYS[5] dead       hash  id -> JSON
-- KEYS[6] paused     string, present while the destination is held
-- KEYS[7] totals     hash, counters since the start of data
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] about how many parked contacts are looked at for the oldest
--
-- Returns {pending, due, in flight, parked, dead, ms since the oldest began to wait, paused or '',
--          {counter, count, counter, count, ...}}.

local now = tonumber(ARGV[1])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A killed run leaves its leases behind; they are over once their contacts are due again.
local in_flight = 0
local parked = redis.call('HLEN', KEYS[4])
for _, contact in ipairs(redis.call('HKEYS', KEYS[3])) do
  if tonumber(redis.call('ZSCORE', KEYS[2], contact) or 0) > now then
    in_flight = in_flight + 1
    parked = parked - redis.call('HEXISTS', KEYS[4], contact)
  end
end

return {
  tonumber(redis.call('GET', KEYS[1]) or 0),
  redis.call('ZCOUNT', KEYS[2], '-inf', now),
  in_flight,
  parked,
  redis.call('HLEN', KEYS[5]),
  now - waits_since(KEYS[2], KEYS[4], now, ARGV[2]),
  redis.call('GET', KEYS[6]) or '',
  redis.call('HGETALL', KEYS[7]),
}
