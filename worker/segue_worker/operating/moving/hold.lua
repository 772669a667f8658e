-- Hold a contact of a destination whose events are being moved, so that no run claims it.
--
-- KEYS[1] due        zset  live contact that waits -> ms since which it has
-- KEYS[2] lease      hash  contact -> who holds it, see outbox/claim.lua
-- KEYS[3] parked     hash  contact -> JSON
-- KEYS[4] away       zset  contact that is claimed or parked -> ms at which it waits again
-- KEYS[5] outbox     list of the contact
-- KEYS[6] bulk       zset  bulk contact that waits -> ms since which it has
-- KEYS[7] live       hash, see lanes.lua
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] contact
-- ARGV[3] how the tokens of the move begin
-- ARGV[4] token that nobody has used
-- ARGV[5] entries at most
-- ARGV[6] for how many ms it is held: until it has arrived, however long a killed move is not resumed
--
-- Returns {'claimed'}, a run has claimed it, ask again; {'gone'}, nothing waits; or {'held', 'live' or 'bulk', lease, parked
-- JSON or '', entry, entry, ...}. A contact that is held already, by a move that was killed, is answered as it was then.

local lanes = {due = KEYS[1], bulk = KEYS[6], live = KEYS[7]}
local contact = ARGV[2]
local holder = redis.call('HGET', KEYS[2], contact)
local parked = redis.call('HGET', KEYS[3], contact) or ''
if not holder or string.sub(holder, 1, #ARGV[3]) ~= ARGV[3] then
  local back = tonumber(redis.call('ZSCORE', KEYS[4], contact) or 0)
  if back > now and (holder or parked == '') then
    return {'claimed'}
  end
  local count = math.min(redis.call('LLEN', KEYS[5]), tonumber(ARGV[5]))
  if count == 0 then
    redis.call('ZREM', KEYS[1], contact)
    redis.call('ZREM', KEYS[6], contact)
    redis.call('HDEL', KEYS[7], contact)
    redis.call('ZREM', KEYS[4], contact)
    redis.call('HDEL', KEYS[2], contact)
    redis.call('HDEL', KEYS[3], contact)
    return {'gone'}
  end
  local since = redis.call('ZSCORE', KEYS[1], contact) or redis.call('ZSCORE', KEYS[6], contact)
    or since_of(contact, KEYS[2], KEYS[3])
  local begun = ''
  if holder then
    -- Its claim lapsed, as in claim.lua.
    local left = math.max(1, math.min(count, tonumber(string.match(holder, '^[^:]*:%d+:%d+:(%d+)') or count)))
    local earlier, owner = string.match(holder, '^[^:]*:%d+:0:%d+:%d+:(%d+):?(.*)$')
    begun = ':' .. 1 + tonumber(earlier or 0) .. ':' .. (owner or string.match(holder, '^[^:]*')) .. ':' .. left
  end
  holder = string.format('%s:0:0:%d:%d%s', ARGV[4], count, math.min(math.floor(since), now), begun)
  redis.call('HSET', KEYS[2], contact, holder)
  redis.call('ZADD', KEYS[4], now + ARGV[6], contact)
  wait_no_more(lanes, contact)
end
local count = tonumber(string.match(holder, '^[^:]*:%d+:%d+:(%d+)'))
local lane = live_events(lanes, contact) == 0 and 'bulk' or 'live'
return {'held', lane, holder, parked, unpack(redis.call('LRANGE', KEYS[5], 0, count - 1))}
