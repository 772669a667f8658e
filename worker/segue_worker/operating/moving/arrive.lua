-- Put what a move has taken from a contact's outbox elsewhere among what waits for the contact here: once.
--
-- KEYS[1]  due       zset  live contact that waits -> ms since which it has
-- KEYS[2]  lease     hash  contact -> who holds it, see outbox/claim.lua
-- KEYS[3]  parked    hash  contact -> JSON
-- KEYS[4]  away      zset  contact that is claimed or parked -> ms at which it waits again
-- KEYS[5]  outbox    list of the contact
-- KEYS[6]  pending   string, number of events in all outboxes
-- KEYS[7]  arrived   hash  contact -> token under which its events last arrived
-- KEYS[8]  log       stream of what became of events
-- KEYS[9]  run       string, present while a run is alive
-- KEYS[10] paused    string, present while the destination is paused
-- KEYS[11] hinted    string, present for a moment after a hint
-- KEYS[12] bulk      zset  bulk contact that waits -> ms since which it has
-- KEYS[13] live      hash, see lanes.lua
-- KEYS[14] pending_bulk   string, number of those events that are in bulk
-- ARGV[1]  now in ms, or 0 for the server's clock
-- ARGV[2]  contact
-- ARGV[3]  token under which its events arrive
-- ARGV[4]  lease, as the caller knows it, or ''
-- ARGV[5]  parked JSON, as the caller knows it, or ''
-- ARGV[6]  entries that stay before what arrives: those of a claim in force
-- ARGV[7]  entries behind these that the new ones replace
-- ARGV[8]  SHA-1 of the latter, as the caller knows them
-- ARGV[9]  lease in its place, or ''
-- ARGV[10] parked JSON in its place, or ''
-- ARGV[11] ms at which the contact waits again where it is parked, else 0
-- ARGV[12] ms since which it waits
-- ARGV[13] how many events arrive
-- ARGV[14] entry of the log
-- ARGV[15] entries it keeps, about
-- ARGV[16] lane from which they come: 'live' or 'bulk'
-- ARGV[16 + i]  entry i of the outbox, of those in place of ARGV[7]
--
-- Returns {1, hint}: they are there, now or by an earlier call, and whether the caller is to send a hint; or {0, 0}:
-- something has changed meanwhile, nothing was done, look again.

local contact = ARGV[2]
if redis.call('HGET', KEYS[7], contact) == ARGV[3] then
  return {1, 0}
end
local stay, replaced = tonumber(ARGV[6]), tonumber(ARGV[7])
local known = replaced > 0 and redis.call('LRANGE', KEYS[5], stay, stay + replaced - 1) or {}
if (redis.call('HGET', KEYS[2], contact) or '') ~= ARGV[4]
  or (redis.call('HGET', KEYS[3], contact) or '') ~= ARGV[5]
  or redis.call('LLEN', KEYS[5]) < stay
  or #known < replaced
  or redis.sha1hex(table.concat(known)) ~= ARGV[8] then
  return {0, 0}
end
local first = stay > 0 and redis.call('LRANGE', KEYS[5], 0, stay - 1) or {}
redis.call('ZCARD', KEYS[1])
redis.call('ZCARD', KEYS[4])
local lanes = {due = KEYS[1], bulk = KEYS[12], live = KEYS[13]}
local before, come = redis.call('LLEN', KEYS[5]), #ARGV - 16
local after = before - replaced + come
-- How many events there are up to the last live one: among those that come, where none behind them is.
local live_before = live_events(lanes, contact) or before
local live = ARGV[16] == 'live' and stay + come or live_before
if live_before > stay then
  live = math.max(live, live_before - replaced + come)
end
if stay + replaced > 0 then
  redis.call('LTRIM', KEYS[5], stay + replaced, -1)
end
for i = #ARGV, 17, -1 do
  redis.call('LPUSH', KEYS[5], ARGV[i])
end
for i = stay, 1, -1 do
  redis.call('LPUSH', KEYS[5], first[i])
end
redis.call('HSET', KEYS[7], contact, ARGV[3])
redis.pcall('INCRBY', KEYS[6], ARGV[13])
redis.pcall('INCRBY', KEYS[14], after - live - (before - live_before))
if live < after then
  redis.call('HSET', KEYS[13], contact, live)
else
  redis.call('HDEL', KEYS[13], contact)
end
redis.pcall('XADD', KEYS[8], 'MAXLEN', '~', ARGV[15], '*', 'e', ARGV[14])
if stay > 0 then
  -- The run that has claimed it gives it back.
  return {1, 0}
end
for key, value in pairs({[KEYS[2]] = ARGV[9], [KEYS[3]] = ARGV[10]}) do
  if value == '' then
    redis.call('HDEL', key, contact)
  else
    redis.call('HSET', key, contact, value)
  end
end
if tonumber(ARGV[11]) > now then
  redis.call('ZREM', KEYS[1], contact)
  redis.call('ZREM', KEYS[12], contact)
  redis.call('ZADD', KEYS[4], ARGV[11], contact)
  return {1, 0}
end
local since = math.min(ARGV[12], redis.call('ZSCORE', KEYS[1], contact) or ARGV[12],
  redis.call('ZSCORE', KEYS[12], contact) or ARGV[12])
redis.call('ZREM', KEYS[4], contact)
redis.call('ZREM', live == 0 and KEYS[1] or KEYS[12], contact)
let_wait(lanes, contact, since, live)
return {1, hint_wanted(KEYS[9], KEYS[10], KEYS[11])}
