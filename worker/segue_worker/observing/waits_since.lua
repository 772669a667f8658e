-- Since when contacts have waited. Stands before the scripts that ask for it. Reads only.
--
-- due        key of the zset contact that waits -> ms since which it has
-- lease      key of the hash contact -> who holds it, see outbox/claim.lua
-- parked     key of the hash contact -> JSON
-- looked_at  about how many parked contacts are looked at
--
-- Each returns ms; `now` where none waits.

-- Since when the longest waiting contact has waited for its turn, or in a claim: those that should be delivered.
local function idle_since(due, lease)
  local oldest = now
  local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
  if first[2] then
    oldest = math.min(oldest, tonumber(first[2]))
  end
  for _, holder in ipairs(redis.call('HVALS', lease)) do
    oldest = math.min(oldest, tonumber(string.match(holder, '^[^:]*:%d+:%d+:%d+:(%d+)') or now))
  end
  return oldest
end

-- The same, parked contacts included.
local function waits_since(due, lease, parked, looked_at)
  local oldest = idle_since(due, lease)
  local some = redis.call('HSCAN', parked, 0, 'COUNT', looked_at)[2]
  for i = 2, #some, 2 do
    -- Decoding each would parse its request too; the first of these names is the contact's own.
    local since = tonumber(string.match(some[i], '"since":([1-9]%d*)') or string.match(some[i], '"first":(%d+)') or 0)
    if since > 0 then
      oldest = math.min(oldest, since)
    end
  end
  return oldest
end

