-- Take off a contact's outbox what has arrived at another destination, and give the contact back with what is left.
--
-- KEYS[1] due        zset  contact that waits -> ms since which it has
-- KEYS[2] lease      hash  contact -> who holds it, see outbox/claim.lua
-- KEYS[3] parked     hash  contact -> JSON
-- KEYS[4] away       zset  contact that is claimed or parked -> ms at which it waits again
-- KEYS[5] outbox     list of the contact
-- KEYS[6] pending    string, number of events in all outboxes
-- KEYS[7] log        stream of what became of events
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] contact
-- ARGV[3] lease under which the move holds it
-- ARGV[4] number of entries that have arrived
-- ARGV[5] entry of the log
-- ARGV[6] entries it keeps, about
--
-- Returns 1; or 0, where the move does not hold it any more: a repeat, or the person was forgotten.

local contact = ARGV[2]
if redis.call('HGET', KEYS[2], contact) ~= ARGV[3] then
  return 0
end
redis.call('LTRIM', KEYS[5], ARGV[4], -1)
redis.pcall('DECRBY', KEYS[6], ARGV[4])
redis.call('HDEL', KEYS[3], contact)
redis.call('HDEL', KEYS[2], contact)
redis.call('ZREM', KEYS[4], contact)
if redis.call('EXISTS', KEYS[5]) == 1 then
  -- Enqueued meanwhile, or more than is moved at once.
  redis.call('ZADD', KEYS[1], now, contact)
end
redis.pcall('XADD', KEYS[7], 'MAXLEN', '~', ARGV[6], '*', 'e', ARGV[5])
return 1
