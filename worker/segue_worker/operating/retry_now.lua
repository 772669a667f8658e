-- Bring a parked contact's next attempt forward to now.
--
-- KEYS[1] due        zset  live contact that waits -> ms since which it has
-- KEYS[2] lease      hash  contact -> who holds it, see outbox/claim.lua
-- KEYS[3] parked     hash  contact -> JSON
-- KEYS[4] run        string, present while a run is alive
-- KEYS[5] hinted     string, present for a moment after a hint
-- KEYS[6] paused     string, present while the destination is paused
-- KEYS[7] away       zset  contact that is claimed or parked -> ms at which it waits again
-- KEYS[8] bulk       zset  bulk contact that waits -> ms since which it has
-- KEYS[9] live       hash, see lanes.lua
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] contact
--
-- Returns {outcome, hint}. Outcome: 'now', it waits for its turn; 'claimed', a run has claimed it, and nothing changed;
-- 'gone', it is not parked (any more), and nothing changed. Hint: 1 where the caller must send one.

local contact = ARGV[2]
if redis.call('HEXISTS', KEYS[3], contact) == 0 then
  return {'gone', 0}
end
local back = tonumber(redis.call('ZSCORE', KEYS[7], contact) or 0)
-- A killed run leaves its claims behind in `lease`; they have ended once their contacts wait again.
if back > now and redis.call('HEXISTS', KEYS[2], contact) == 1 then
  return {'claimed', 0}
end
if back > 0 then
  local lanes = {due = KEYS[1], bulk = KEYS[8], live = KEYS[9]}
  let_wait(lanes, contact, since_of(contact, KEYS[2], KEYS[3]), live_events(lanes, contact))
  redis.call('ZREM', KEYS[7], contact)
end
return {'now', hint_wanted(KEYS[4], KEYS[6], KEYS[5])}
