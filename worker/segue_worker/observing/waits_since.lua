-- Since when contacts have waited. Stands before the scripts that ask for it, behind lanes.lua. Reads only.
--
-- lanes      see lanes.lua
-- lease      key of the hash contact -> who holds it, see outbox/claim.lua
-- parked     key of the hash contact -> JSON
-- looked_at  about how many parked contacts are looked at
--
-- Each returns {live = ms, bulk = ms}, of the contacts of each lane; `now` where none waits.

local function note_oldest(oldest, lanes, contact, since)
  local lane = live_events(lanes, contact) == 0 and 'bulk' or 'live'
  oldest[lane] = math.min(oldest[lane], since)
end

-- Since when the longest waiting contact has waited for its turn, or in a claim: those that should be delivered.
local function idle_since(lanes, lease)
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

-- The same, parked contacts included.
local function waits_since(lanes, lease, parked, looked_at)
  local oldest = idle_since(lanes, lease)
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

