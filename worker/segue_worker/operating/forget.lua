-- Remove a contact's pending events from one destination, whoever may hold them.
--
-- KEYS[1] outbox     list of the contact
-- KEYS[2] due        zset  live contact that waits -> ms since which it has
-- KEYS[3] lease      hash  contact -> who holds it, see outbox/claim.lua
-- KEYS[4] parked     hash  contact -> JSON
-- KEYS[5] pending    string, number of events in all outboxes
-- KEYS[6] totals     hash, counters of all time
-- KEYS[7] away       zset  contact that is claimed or parked -> ms at which it waits again
-- KEYS[8] damaged    what was found in place of the outbox
-- KEYS[9] bulk       zset  bulk contact that waits -> ms since which it has
-- KEYS[10] live      hash, see lanes.lua
-- KEYS[11] pending_bulk   string, number of those events that are in bulk
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] contact
-- ARGV[3] prefix of what was confirmed (of the same hash tag)
-- ARGV[4] length of a lease in ms
--
-- Returns {number of events there were, ms until a claim of the contact would have lapsed; 0 where none is in force}.
-- A run that holds the contact finds its claim gone with its next heartbeat, and believes in it until it would have
-- lapsed at most: then it sends nothing more. So long the contact stays away, so that nobody claims what is enqueued for it
-- meanwhile while a request of the old claim is under way.

local contact = ARGV[2]
local length = redis.pcall('LLEN', KEYS[1])
local count = type(length) == 'number' and length or 0
local in_bulk = count - math.min(count, live_events({bulk = KEYS[9], live = KEYS[10]}, contact) or count)
local holder = redis.call('HGET', KEYS[3], contact)
redis.call('HDEL', KEYS[3], contact)
-- A move that holds it sends nothing.
local claimed = holder and string.sub(holder, 1, 5) ~= 'move '
local parked = redis.call('HDEL', KEYS[4], contact) == 1
local lapses = math.max(0, (redis.call('ZSCORE', KEYS[7], contact) or now) - now)
if claimed then
  -- A claim that seems to have lapsed may hold still, where the clock was set forward a moment ago.
  lapses = math.max(lapses, tonumber(ARGV[4]))
  redis.call('ZADD', KEYS[7], now + lapses, contact)
end
-- One that is away and neither claimed nor parked was forgotten a moment ago.
if (parked or holder) and not claimed or lapses == 0 then
  redis.call('ZREM', KEYS[7], contact)
  lapses = 0
end
redis.call('DEL', KEYS[1], KEYS[8])
-- Whoever else is this contact at Loops may be gone there, so for thirty days, the longest `skip_unchanged`, nothing counts.
confirm(ARGV[3], contact, TOUCHED, 30 * 86400000)
redis.call('ZREM', KEYS[2], contact)
redis.call('ZREM', KEYS[9], contact)
redis.call('HDEL', KEYS[10], contact)
if count > 0 then
  redis.pcall('DECRBY', KEYS[5], count)
  redis.pcall('DECRBY', KEYS[11], in_bulk)
  redis.pcall('HINCRBY', KEYS[6], 'forgotten', count)
end
return {count, math.ceil(lapses)}
