-- Since when contacts have waited. Stands before the scripts that ask for it, behind lanes.lua. Reads only.
--
-- lanes      see lanes.lua
-- lease      key of the hash contact -> who holds it, see outbox/claim.lua
-- away       key of the zset contact that is claimed or parked -> ms at which it waits again
-- parked     key of the hash contact -> JSON
-- looked_at  about how many parked contacts are looked at
--
-- Each returns {live = ms, bulk = ms}, of the contacts of each lane; `now` where none waits.

local function note_oldest(oldest, lanes, contact, since)
  local lane = live_events(lanes, contact) == 0 and 'bulk' or 'live'
  oldest[lane] = math.min(oldest[lane], since)
end

-- Since when the longest waiting contact has waited in one of the sets, or in a claim.
local function place_since(lanes, lease)
  local oldest = {}
  for lane, key in pairs({live = lanes.due, bulk = lanes.bulk}) do
    oldest[lane] = math.min(now, tonumber(redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2] or now))
  end
  local claims = redis.call('HGETALL', lease)
  for i = 1, #claims, 2 do
    note_oldest(oldest, lanes, claims[i], tonumber(string.match(claims[i + 1], '^[^:]*:%d+:%d+:%d+:(%d+)') or now))
  end
  return oldest
end

-- Since when the longest waiting contact could have been delivered to. Of one that was parked that is the time of its next
-- attempt, though its place is older. Nobody may have fetched it by then.
local function idle_since(lanes, lease, away, parked)
  local oldest = {live = now, bulk = now}
  local function note(contact, since)
    local request = redis.call('HGET', parked, contact)
    local attempt = request and string.match(request, '"next":(%d+)')
    note_oldest(oldest, lanes, contact, math.max(since, tonumber(attempt or 0)))
    return attempt
  end
  for _, key in ipairs({lanes.due, lanes.bulk}) do
    local first = redis.call('ZRANGE', key, 0, 99, 'WITHSCORES')
    for i = 1, #first, 2 do
      -- Behind one that was not parked nobody has waited for longer. Of more than a hundred that were, some will do.
      if not note(first[i], tonumber(first[i + 1])) then
        break
      end
    end
  end
  local claims = redis.call('HGETALL', lease)
  for i = 1, #claims, 2 do
    note(claims[i], tonumber(string.match(claims[i + 1], '^[^:]*:%d+:%d+:%d+:(%d+)') or now))
  end
  local ripe = redis.call('ZRANGEBYSCORE', away, '-inf', now, 'WITHSCORES', 'LIMIT', 0, 1)
  if ripe[1] then
    note_oldest(oldest, lanes, ripe[1], tonumber(ripe[2]))
  end
  return oldest
end

-- Since when the longest waiting contact has waited, parked contacts included.
local function waits_since(lanes, lease, parked, looked_at)
  local oldest = place_since(lanes, lease)
  local some = redis.call('HSCAN', parked, 0, 'COUNT', looked_at)[2]
  for i = 1, #some, 2 do
    -- Decoding each would parse its request too; the first of these names is the contact's own.
    local json = some[i + 1]
    local since = tonumber(string.match(json, '"since":([1-9]%d*)') or string.match(json, '"first":(%d+)') or 0)
    if since > 0 then
      note_oldest(oldest, lanes, some[i], since)
    end
  end
  return oldest
end

