-- Claim due contacts for one owner, until its lease ends.
--
-- KEYS[1] due        zset  contact -> ms
-- KEYS[2] lease      hash  contact -> owner token ':' number of settles since the claim
-- KEYS[3] parked     hash  contact -> JSON
-- KEYS[4] paused     string, present while the destination is held
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] owner token
-- ARGV[3] length of the lease in ms
-- ARGV[4] contacts at most
-- ARGV[5] events at most, of each contact
-- ARGV[6] bytes after which no further contact is taken
-- ARGV[7] prefix of the outbox keys (of the same hash tag)
--
-- Returns a list of {contact, parked JSON or '', event, event, ...}, longest due first.

if redis.call('EXISTS', KEYS[4]) == 1 then
  return {}
end
-- A first write that needs no memory: the rest of the script is then let through even where Redis is full, and
-- delivering is what empties it.
redis.call('PERSIST', KEYS[1])

local now = tonumber(ARGV[1])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local claimed = {}
local bytes = 0
for _, contact in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[4])) do
  if bytes >= tonumber(ARGV[6]) then
    break
  end
  local events = redis.call('LRANGE', ARGV[7] .. contact, 0, ARGV[5] - 1)
  if #events == 0 then
    redis.call('ZREM', KEYS[1], contact)
    redis.call('HDEL', KEYS[2], contact)
    redis.call('HDEL', KEYS[3], contact)
  else
    redis.call('ZADD', KEYS[1], now + ARGV[3], contact)
    redis.call('HSET', KEYS[2], contact, ARGV[2] .. ':0')
    local item = {contact, redis.call('HGET', KEYS[3], contact) or ''}
    for i, event in ipairs(events) do
      item[2 + i] = event
      bytes = bytes + #event
    end
    claimed[#claimed + 1] = item
  end
end
return claimed
