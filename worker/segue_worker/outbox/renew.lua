-- Heartbeat: keep a run and the contacts it has claimed.
--
-- KEYS[1] run        string: owner token ':' ms of its last heartbeat
-- KEYS[2] away       zset  contact that is claimed or parked -> ms at which it waits again
-- KEYS[3] lease      hash  contact -> who holds it, see claim.lua
-- KEYS[4] due        zset  live contact that waits -> ms since which it has
-- KEYS[5] bulk       zset  bulk contact that waits -> ms since which it has
-- KEYS[6] live       hash, see lanes.lua
-- KEYS[7] clock      string, ms of the last claim, heartbeat or sweep
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] owner token
-- ARGV[3] length of the lease in ms, of the run and of its contacts
-- ARGV[4] now in ms, had nobody set the clock, as the caller counts it: redis_time.py
-- ARGV[3 + 2i], ARGV[4 + 2i]   contact and token of claim i
--
-- Returns {now in ms, 1 or 0: whether the run is still the owner's, {i, i, ...}: the claims that hold no longer, {i, i,
-- ...}: those of the others whose events are all live by now}.

follow_clock(KEYS[7], KEYS[2], ARGV[4], ARGV[3])
local lanes = {due = KEYS[4], bulk = KEYS[5], live = KEYS[6]}
local is_own, lost, all_live = 1, {}, {}
local value = redis.call('GET', KEYS[1])
local own = value and string.sub(value, 1, #ARGV[2] + 1) == ARGV[2] .. ':'
if own or not is_alive(value, tonumber(ARGV[3])) then
  redis.call('SET', KEYS[1], string.format('%s:%d', ARGV[2], now), 'PX', ARGV[3])
else
  is_own = 0
end
for i = 5, #ARGV, 2 do
  local contact, prefix = ARGV[i], ARGV[i + 1] .. ':'
  local holder = redis.call('HGET', KEYS[3], contact)
  -- A claim that has lapsed holds until somebody else claims the contact: then it waits, and is taken back.
  if holder and string.sub(holder, 1, #prefix) == prefix then
    redis.call('ZADD', KEYS[2], now + ARGV[3], contact)
    wait_no_more(lanes, contact)
    local live, claimed = redis.call('HGET', KEYS[6], contact), string.match(holder, '^%d+:(%d+)', #prefix + 1)
    if not live or tonumber(live) >= tonumber(claimed or 0) then
      all_live[#all_live + 1] = (i - 5) / 2
    end
  else
    lost[#lost + 1] = (i - 5) / 2
  end
end
return {now, is_own, lost, all_live}
