-- Since when the contact that waits longest has waited: since it became due, or since the first attempt of its parked
-- request. Stands before the scripts that ask for it. Reads only.
--
-- due        key of the zset contact -> ms
-- parked     key of the hash contact -> JSON
-- now        ms
-- looked_at  about how many parked contacts are looked at
--
-- Returns ms; `now` where none waits.

local function waits_since(due, parked, now, looked_at)
  local oldest = now
  local longest_due = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
  if longest_due[2] then
    oldest = math.min(oldest, tonumber(longest_due[2]))
  end
  local some = redis.call('HSCAN', parked, 0, 'COUNT', looked_at)[2]
  for i = 2, #some, 2 do
    -- Decoding each would parse its request too; the first "first" is the contact's own.
    oldest = math.min(oldest, tonumber(string.match(some[i], '"first":(%d+)') or now))
  end
  return oldest
end

