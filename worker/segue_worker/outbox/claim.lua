-- Claim due contacts for one owner, until its lease ends.
--
-- KEYS[1] due        zset  contact -> ms
-- KEYS[2] lease      hash  contact -> token of the claim ':' number of settles since ':' how many of the events claimed
--                    are not settled yet; before the first settle also, where there were any, ':' number of interrupted
--                    claims that no settle has recorded yet
-- KEYS[3] parked     hash  contact -> JSON
-- KEYS[4] paused     string, present while the destination is held
-- KEYS[5] stats      hash, counters of this minute
-- KEYS[6] totals     hash, counters since the start of data
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] token of the claim: owner token ':' a number that tells the owner's claims apart
-- ARGV[3] length of the lease in ms
-- ARGV[4] contacts at most
-- ARGV[5] events at most, of each contact
-- ARGV[6] bytes after which no further contact is taken
-- ARGV[7] prefix of the outbox keys (of the same hash tag)
-- ARGV[8] for how many seconds the counters of a minute are kept
--
-- Returns a list of {contact, parked JSON or '', number of interrupted claims that no settle has recorded yet, '' or
-- why the contact's outbox cannot be read, event, event, ...}, longest due first.
--
-- A contact that is due while it has an owner was claimed before, and no settle has ended that claim: it was
-- interrupted, and is counted. A repeat, after an answer that was lost, finds the contacts of the first time not due.
--
-- After an interrupted claim only those events are taken that it had. Its last request may have arrived without being
-- recorded; planned from the same events, that request is the same one again. With later events merged into it, it could
-- be refused for one of them, and then be sent apart, which would take the contact back to older values.

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
local interrupted = 0
local bytes = 0
for _, contact in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[4])) do
  if bytes >= tonumber(ARGV[6]) then
    break
  end
  local before = redis.call('HGET', KEYS[2], contact)
  local most = tonumber(ARGV[5])
  if before then
    most = math.max(1, math.min(most, tonumber(string.match(before, '^[^:]*:%d+:%d+:(%d+)') or most)))
  end
  -- An outbox that is no list is the fault of its own contact, and the others go on.
  local events = redis.pcall('LRANGE', ARGV[7] .. contact, 0, most - 1)
  local damage = events.err or ''
  if #events == 0 and damage == '' then
    redis.call('ZREM', KEYS[1], contact)
    redis.call('HDEL', KEYS[2], contact)
    redis.call('HDEL', KEYS[3], contact)
  else
    redis.call('ZADD', KEYS[1], now + ARGV[3], contact)
    local holder = ARGV[2] .. ':0:' .. #events
    local unrecorded = 0
    if before then
      interrupted = interrupted + 1
      unrecorded = 1 + tonumber(string.match(before, '^[^:]*:%d+:0:%d+:(%d+)$') or 0)
      holder = holder .. ':' .. unrecorded
    end
    redis.call('HSET', KEYS[2], contact, holder)
    local item = {contact, redis.call('HGET', KEYS[3], contact) or '', unrecorded, damage}
    for i, event in ipairs(events) do
      item[4 + i] = event
      bytes = bytes + #event
    end
    claimed[#claimed + 1] = item
  end
end
if interrupted > 0 then
  redis.call('HINCRBY', KEYS[5], 'interrupted', interrupted)
  redis.call('EXPIRE', KEYS[5], ARGV[8])
  redis.call('HINCRBY', KEYS[6], 'interrupted', interrupted)
end
return claimed
