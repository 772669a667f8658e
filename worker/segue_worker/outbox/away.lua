-- Contacts that are away: claimed by a run, or parked. Stands before the scripts that bring them back, behind lanes.lua.

-- Since when a contact has waited, as a claim and a parked request have it.
local SINCE = '^[^:]*:%d+:%d+:%d+:(%d+)'
local PARKED_SINCE = '"since":([1-9]%d*)'

-- Since when a contact has been waiting for what it is away for: that is its place when it comes back.
local function since_of(contact, lease, parked)
  local holder = redis.call('HGET', lease, contact)
  local since = holder and string.match(holder, SINCE)
  if not since then
    local request = redis.call('HGET', parked, contact)
    since = request and string.match(request, PARKED_SINCE)
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

-- A smaller step does no harm: a heartbeat comes in time.
local STEP_MS = 3000

-- Where the clock was set forward, claims seem to have lapsed whose requests are under way. They last for another lease, and
-- so does what was parked for as long: once for each, and half a millisecond says that it has been. Claims from behind the
-- step end later than any from before it.
local function bridge(away, before, lease_ms)
  local ends = now + lease_ms
  local near = redis.call('ZRANGEBYSCORE', away, '(' .. string.format('%d', before), before + lease_ms + STEP_MS, 'WITHSCORES')
  for i = 1, #near, 2 do
    if near[i + 1] % 1 == 0 then
      redis.call('ZADD', away, ends + 0.5, near[i])
    end
  end
end

-- Notices a clock that was set: back by what is noted of it, and forward where the caller expected another time: `expected` has
-- the times that it would be by now, had it not been set (redis_time.py). If it was set back, the ends of claims and pauses are
-- brought back with it.
local function follow_clock(clock, away, expected, lease_ms)
  local last = tonumber(redis.call('GET', clock) or now)
  if last - now > 1000 then
    local all = redis.call('ZRANGE', away, 0, -1, 'WITHSCORES')
    for i = 1, #all, 2 do
      redis.call('ZADD', away, all[i + 1] - (last - now), all[i])
    end
  else
    for time in string.gmatch(expected, '[1-9]%d*') do
      local before = math.min(last, time)
      if math.abs(now - time) > STEP_MS and now - before > STEP_MS then
        bridge(away, before, lease_ms)
      end
    end
  end
  redis.call('SET', clock, string.format('%d', now))
end
