-- Record how long the contact of each lane that waits longest has waited, if that is the highest value of this minute so
-- far.
-- `waits_since` is that of waits_since.lua.
--
-- KEYS[1] due        zset  live contact that waits -> ms since which it has
-- KEYS[2] parked     hash  contact -> JSON
-- KEYS[3] stats      hash, counters of this minute
-- KEYS[4] lease      hash  contact -> who holds it, see outbox/claim.lua
-- KEYS[5] bulk       zset  bulk contact that waits -> ms since which it has
-- KEYS[6] live       hash, see lanes.lua
-- ARGV[1] now in ms
-- ARGV[2] about how many parked contacts are looked at
-- ARGV[3] for how many seconds the counters of a minute are kept
-- ARGV[4] field of the counters for the live lane
-- ARGV[5] the same for bulk
--
-- Returns how long these are, in ms; 0 where none waits.

local oldest = waits_since({due = KEYS[1], bulk = KEYS[5], live = KEYS[6]}, KEYS[4], KEYS[2], ARGV[2])
local ages = {now - oldest.live, now - oldest.bulk}
for i, waited in ipairs(ages) do
  if waited > tonumber(redis.call('HGET', KEYS[3], ARGV[3 + i]) or i - 2) then
    redis.call('HSET', KEYS[3], ARGV[3 + i], string.format('%d', waited))
    redis.call('EXPIRE', KEYS[3], ARGV[3])
  end
end
return ages
