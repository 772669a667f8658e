-- Claim waiting contacts for one owner, until its lease ends.
--
-- KEYS[1] due        zset  live contact that waits -> ms since which it has
-- KEYS[2] lease      hash  contact -> token of the claim ':' number of settles since ':' how many of the events claimed
--                    are not settled yet ':' ms since which the contact had waited; before the first settle also, where
--                    there were any, ':' number of interrupted claims that no settle has recorded yet ':' token of the owner
--                    of the first of them
-- KEYS[3] parked     hash  contact -> JSON
-- KEYS[4] paused     string, present while the destination is paused
-- KEYS[5] stats      hash, counters of this minute
-- KEYS[6] totals     hash, counters of all time
-- KEYS[7] away       zset  contact that is claimed or parked -> ms at which it waits again
-- KEYS[8] clock      string, ms of the last claim, heartbeat or sweep
-- KEYS[9] bulk       zset  bulk contact that waits -> ms since which it has
-- KEYS[10] live      hash, see lanes.lua
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] token of the claim: owner token ':' a number that tells the owner's claims apart
-- ARGV[3] length of the lease in ms
-- ARGV[4] live contacts at most
-- ARGV[5] events at most, of each contact
-- ARGV[6] bytes after which no further contact is taken
-- ARGV[7] prefix of the outbox keys (of the same hash tag)
-- ARGV[8] for how many seconds the counters of a minute are kept
-- ARGV[9] bulk contacts at most
-- ARGV[10] prefix of what was confirmed (of the same hash tag)
-- ARGV[11] ms for which that counts
-- ARGV[12] now in ms, had nobody set the clock, as the caller counts it: redis_time.py
--
-- Returns {now in ms, claim, claim, ...}, live ones first, and longest waiting first; each claim is {contact, parked JSON or
-- '', number of interrupted claims that no settle has recorded yet, token of the owner of the first of them or '', ms since
-- which the contact had waited, how many of its oldest events are live, what was confirmed of it (confirmed.lua), '' or why
-- its outbox cannot be read, {event, event, ...}}.
--
-- A contact that waits while it has an owner was claimed before, and no settle has ended that claim: it was
-- interrupted, and is counted. A repeat, after an answer that was lost, finds that the contacts of the first time are away.
--
-- After an interrupted claim only those events are taken that it had. Its last request may have arrived without being
-- recorded; planned from the same events, that request is the same one again. With later events merged into it, it could
-- be refused for one of them, and then be sent apart, which would take the contact back to older values.

if redis.call('EXISTS', KEYS[4]) == 1 then
  return {now}
end
follow_clock(KEYS[8], KEYS[7], ARGV[12], ARGV[3])
local lanes = {due = KEYS[1], bulk = KEYS[9], live = KEYS[10]}
return_ripe(lanes, KEYS[7], KEYS[2], KEYS[3])

local answer = {now}
local look_confirmed = any_confirmed(ARGV[10])
local mixed = redis.call('EXISTS', KEYS[9], KEYS[10]) > 0
local any_parked = redis.call('EXISTS', KEYS[3]) == 1
local ends = string.format('%d', now + ARGV[3])
local last_place = string.format('%d', ARGV[5] - 1)
local interrupted = 0
local bytes = 0

-- Whether a contact stands where only a version of Segue from before there was `away` puts it: among those that wait,
-- though it is claimed or parked until later. That version noted nowhere since when it had waited; where this one did, the
-- clock was set back.
local function is_away(contact, score)
  if tonumber(score) <= now then
    return false
  end
  local held = redis.call('HGET', KEYS[2], contact) or redis.call('HGET', KEYS[3], contact)
  return held and not string.match(held, SINCE) and not string.match(held, PARKED_SINCE)
end

local function claim(contact, since)
  local before = redis.call('HGET', KEYS[2], contact)
  local last = last_place
  if before then
    local most = tonumber(ARGV[5])
    last = math.max(1, math.min(most, tonumber(string.match(before, '^[^:]*:%d+:%d+:(%d+)') or most))) - 1
  end
  -- An outbox that is no list is the fault of its own contact, and the others go on.
  local events = redis.pcall('LRANGE', ARGV[7] .. contact, '0', last)
  if mixed then
    wait_no_more(lanes, contact)
  else
    redis.call('ZREM', KEYS[1], contact)
  end
  if #events == 0 and not events.err then
    redis.call('HDEL', KEYS[10], contact)
    redis.call('HDEL', KEYS[2], contact)
    redis.call('HDEL', KEYS[3], contact)
    return
  end
  redis.call('ZADD', KEYS[7], ends, contact)
  local holder = string.format('%s:0:%d:%d', ARGV[2], #events, since)
  local unrecorded, begun_by = 0, ''
  if before then
    -- Given back without having sent anything, a claim that followed an interrupted one leaves its mark, and is none.
    interrupted = interrupted + (string.match(before, '^[^:]*:0:') and 0 or 1)
    local earlier, owner = string.match(before, '^[^:]*:%d+:0:%d+:%d+:(%d+):?(.*)$')
    unrecorded = 1 + tonumber(earlier or 0)
    begun_by = owner or string.match(before, '^[^:]*')
    holder = holder .. ':' .. unrecorded .. ':' .. begun_by
  end
  redis.call('HSET', KEYS[2], contact, holder)
  local item = {
    contact,
    any_parked and redis.call('HGET', KEYS[3], contact) or '',
    unrecorded,
    begun_by,
    since,
    mixed and live_events(lanes, contact) or #events,
    look_confirmed and confirmed(ARGV[10], contact, tonumber(ARGV[11])) or '',
    events.err or '',
    events.err and {} or events,
  }
  for i = 1, #events do
    bytes = bytes + #events[i]
  end
  answer[#answer + 1] = item
end

local function claim_first(waiting, most)
  local first = most == '0' and {} or redis.call('ZRANGE', waiting, 0, most - 1, 'WITHSCORES')
  for i = 1, #first, 2 do
    local contact, score = first[i], first[i + 1]
    if bytes >= tonumber(ARGV[6]) then
      break
    end
    if waiting == KEYS[1] and is_away(contact, score) then
      redis.call('ZREM', waiting, contact)
      redis.call('ZADD', KEYS[7], math.min(score, now + 900000), contact)
    else
      claim(contact, math.min(math.floor(score), now))
    end
  end
end

claim_first(KEYS[1], ARGV[4])
claim_first(KEYS[9], ARGV[9])
if interrupted > 0 then
  redis.call('HINCRBY', KEYS[5], 'interrupted', interrupted)
  redis.call('EXPIRE', KEYS[5], ARGV[8])
  redis.call('HINCRBY', KEYS[6], 'interrupted', interrupted)
end
return answer
