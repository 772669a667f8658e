-- Contacts that are away: claimed by a run, or parked. Stands before the scripts that bring them back, behind lanes.lua.

-- Since when a contact has been waiting for what it is away for: that is its place when it comes back.
local function since_of(contact, lease, parked)
  local holder = redis.call('HGET', lease, contact)
  local since = holder and string.match(holder, '^[^:]*:%d+:%d+:%d+:(%d+)')
  if not since then
    local request = redis.call('HGET', parked, contact)
    since = request and string.match(request, '"since":([1-9]%d*)')
  end
  return math.min(tonumber(since or now), now)
end

-- Lets contacts wait again whose claim has lapsed, or whose pause is over; some of them, where there are many.
local function return_ripe(lanes, away, lease, parked)
  for _, contact in ipairs(redis.call('ZRANGEBYSCORE', away, '-inf', now, 'LIMIT', 0, 500)) do
    let_wait(lanes, contact, since_of(contact, lease, parked), live_events(lanes, contact))
    redis.call('ZREM', away, contact)
  end
end

-- Notices a clock that was set back, and brings the ends of claims and pauses back with it.
local function follow_clock(clock, away)
  local back = tonumber(redis.call('GET', clock) or now) - now
  if back > 1000 then
    local all = redis.call('ZRANGE', away, 0, -1, 'WITHSCORES')
    for i = 1, #all, 2 do
      redis.call('ZADD', away, all[i + 1] - back, all[i])
    end
  end
  redis.call('SET', clock, string.format('%d', now))
end

