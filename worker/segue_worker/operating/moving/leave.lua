-- Take off a contact's outbox what has arrived at another destination, and give the contact back with what is left.
--
-- KEYS[1] due        zset  live contact that waits -> ms since which it has
-- KEYS[2] lease      hash  contact -> who holds it, see outbox/claim.lua
-- KEYS[3] parked     hash  contact -> JSON
-- KEYS[4] away       zset  contact that is claimed or parked -> ms at which it waits again
-- KEYS[5] outbox     list of the contact
-- KEYS[6] pending    string, number of events in all outboxes
-- KEYS[7] log        stream of what became of events
-- KEYS[8] bulk       zset  bulk contact that waits -> ms since which it has
-- KEYS[9] live       hash, see lanes.lua
-- KEYS[10] pending_bulk   string, number of those events that are in bulk
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] contact
-- ARGV[3] lease under which the move holds it
-- ARGV[4] number of entries that have arrived
-- ARGV[5] entry of the log
-- ARGV[6] entries it keeps, about
--
-- Returns 1; or 0, where the move does not hold it any more: a repeat, or the person was forgotten.

local lanes = {due = KEYS[1], bulk = KEYS[8], live = KEYS[9]}
local contact = ARGV[2]
if redis.call('HGET', KEYS[2], contact) ~= ARGV[3] then
  return 0
end
local live = live_events(lanes, contact)
if live then
  redis.pcall('DECRBY', KEYS[10], math.max(0, ARGV[4] - live))
  live = math.max(0, live - ARGV[4])
  redis.call('HSET', KEYS[9], contact, live)
end
redis.call('LTRIM', KEYS[5], ARGV[4], -1)
redis.pcall('DECRBY', KEYS[6], ARGV[4])
redis.call('HDEL', KEYS[3], contact)
redis.call('HDEL', KEYS[2], contact)
redis.call('ZREM', KEYS[4], contact)
if redis.call('EXISTS', KEYS[5]) == 1 then
  -- Enqueued meanwhile, or more than is moved at once.
  let_wait(lanes, contact, now, live)
else
  redis.call('HDEL', KEYS[9], contact)
end
redis.pcall('XADD', KEYS[7], 'MAXLEN', '~', ARGV[6], '*', 'e', ARGV[5])
return 1
