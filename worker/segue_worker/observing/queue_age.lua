-- Record how long the contact that waits longest has waited, if that is the highest value of this minute so far.
-- `waits_since` is that of waits_since.lua.
--
-- KEYS[1] due        zset  contact that waits -> ms since which it has
-- KEYS[2] parked     hash  contact -> JSON
-- KEYS[3] stats      hash, counters of this minute
-- KEYS[4] lease      hash  contact -> who holds it, see outbox/claim.lua
-- ARGV[1] now in ms
-- ARGV[2] about how many parked contacts are looked at
-- ARGV[3] field of the counters
-- ARGV[4] for how many seconds the counters of a minute are kept
--
-- Returns how long that is, in ms; 0 where none waits.

local waited = now - waits_since(KEYS[1], KEYS[4], KEYS[2], ARGV[2])
if waited > tonumber(redis.call('HGET', KEYS[3], ARGV[3]) or -1) then
  redis.call('HSET', KEYS[3], ARGV[3], string.format('%d', waited))
  redis.call('EXPIRE', KEYS[3], ARGV[4])
end
return waited
