-- Count the events of all outboxes, and correct the number that is kept of them.
--
-- No step makes that number wrong; a key that was damaged, or changed by hand, does, and then nothing else puts it right.
--
-- KEYS[1] pending    string, number of events in all outboxes
-- KEYS[2] due        zset  live contact that waits -> ms since which it has
-- KEYS[3] away       zset  contact that is claimed or parked -> ms at which it waits again
-- KEYS[4] counted    string, present for a while after a count
-- KEYS[5] bulk       zset  bulk contact that waits -> ms since which it has
-- KEYS[6] live       hash, see lanes.lua
-- KEYS[7] pending_bulk   string, number of those events that are in bulk
-- ARGV[1] prefix of the outbox keys (of the same hash tag)
-- ARGV[2] ms until the next count
-- ARGV[3] contacts at most, so that the script is short; where there are more, nothing is counted
--
-- Returns {what the number was, what it is}; the two are the same where nothing was counted or wrong.

local kept = tonumber(redis.call('GET', KEYS[1]) or 0) or -1
local lanes = {due = KEYS[2], bulk = KEYS[5], live = KEYS[6]}
local contacts = redis.call('ZCARD', KEYS[2]) + redis.call('ZCARD', KEYS[3]) + redis.call('ZCARD', KEYS[5])
if contacts > tonumber(ARGV[3]) or not redis.call('SET', KEYS[4], '1', 'NX', 'PX', ARGV[2]) then
  return {kept, kept}
end
local events, in_bulk = 0, 0
for _, key in ipairs({KEYS[2], KEYS[3], KEYS[5]}) do
  for _, contact in ipairs(redis.call('ZRANGE', key, 0, -1)) do
    local length = redis.pcall('LLEN', ARGV[1] .. contact)
    length = type(length) == 'number' and length or 0
    events = events + length
    in_bulk = in_bulk + math.max(0, length - (live_events(lanes, contact) or length))
  end
end
if events ~= kept then
  redis.call('SET', KEYS[1], events)
end
if in_bulk ~= (tonumber(redis.call('GET', KEYS[7]) or 0) or -1) then
  redis.call('SET', KEYS[7], in_bulk)
end
return {kept, events}
