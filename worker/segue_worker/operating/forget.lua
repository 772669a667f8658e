-- Remove a contact's pending events from one destination, whoever may hold them.
--
-- KEYS[1] outbox     list of the contact
-- KEYS[2] due        zset  contact -> ms
-- KEYS[3] lease      hash  contact -> owner token ':' what claim.lua says
-- KEYS[4] parked     hash  contact -> JSON
-- KEYS[5] pending    string, number of events in all outboxes
-- KEYS[6] totals     hash, counters since the start of data
-- KEYS[7] away       zset  contact that is claimed or parked -> ms at which it waits again
-- ARGV[1] contact
--
-- Returns how many events there were. A run that holds the contact finds its claim gone and sends nothing more.

local count = redis.call('LLEN', KEYS[1])
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[7], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
if count > 0 then
  redis.call('DECRBY', KEYS[5], count)
  redis.call('HINCRBY', KEYS[6], 'forgotten', count)
end
return count
