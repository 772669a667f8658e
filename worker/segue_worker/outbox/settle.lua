-- Record what became of the oldest events of claimed contacts, and say what happens to each contact next.
--
-- KEYS[1] due        zset  live contact that waits -> ms since which it has
-- KEYS[2] lease      hash  contact -> who holds it, see claim.lua
-- KEYS[3] parked     hash  contact -> JSON
-- KEYS[4] pending    string, number of events in all outboxes
-- KEYS[5] dead       hash  id -> JSON
-- KEYS[6] dead_at    zset  id -> ms, to the microsecond
-- KEYS[7] stats      hash, counters of this minute
-- KEYS[8] totals     hash, counters of all time
-- KEYS[9] measures   hash, further counters of all time
-- KEYS[10] log       stream of what became of events
-- KEYS[11] because   hash  digest -> why events were filtered
-- KEYS[12] away      zset  contact that is claimed or parked -> ms at which it waits again
-- KEYS[13] settled   string, ms at which something was last settled: events taken, or an attempt recorded
-- KEYS[14] windows   hash, see windows.lua
-- KEYS[15] bulk      zset  bulk contact that waits -> ms since which it has
-- KEYS[16] live      hash, see lanes.lua
-- KEYS[17] pending_bulk   string, number of those events that are in bulk
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] prefix of the outbox keys (of the same hash tag)
-- ARGV[3] prefix of the seen keys (of the same hash tag)
-- ARGV[4] length of a seen window in ms
-- ARGV[5] for how many seconds the counters of a minute are kept
-- ARGV[6] entries the log keeps, about
-- ARGV[7] for how many seconds explanations are kept
-- ARGV[8] how many explanations are kept at most
-- ARGV[9] prefix of what is set aside (of the same hash tag)
-- ARGV[10] prefix of what was confirmed (of the same hash tag)
-- ARGV[11] ms for which that counts
-- ARGV[12] number of settlements; then of each:
--          contact
--          who holds the contact by now: token of the claim ':' number of settles before this one
--          who holds it after this one: the same with one settle more
--          number of events to take off the head of the outbox
--          number of events then replaced, then place, counted from the new head, and entry of each
--          next: 'keep' the contact claimed; 'release' it, behind all that wait by now; 'return' it to the place it
--          had; or 'park' it; when a contact is released or returned whose outbox is no list, what is there is set aside
--          for 'park': ms from now until it waits again; for 'keep' and 'return': ms at which the oldest event left was
--          enqueued, or 0. Once events were taken the contact's place is no older than that, so that one with ever new
--          events does not stay before all others
--          for 'park': JSON of the parked hash
--          entry of the log, or ''
--          number of contacts of which something else is remembered from now on, then contact, and digest of its last
--          confirmed update, 8 bytes, or '-' to forget it, of each
--          number of digests, then the digests of the settled messageIds, 16 bytes each
--          number of counters, then name and increment of each
--          number of measures, then name and increment of each
--          number of dead letters, then id and JSON of each
--          number of explanations, then digest and JSON of each
--
-- Returns for each settlement how many events are left in the outbox; or -1 where the claim is gone; or a text that says
-- what is damaged. In both cases nothing of it was recorded. A repeat, after an answer that was lost, changes nothing
-- either.
--
-- Each settlement is checked before anything of it is written, so that none is recorded in part; and what is wrong with
-- one changes nothing for the others.

local lanes = {due = KEYS[1], bulk = KEYS[15], live = KEYS[16]}
local mixed = redis.call('EXISTS', KEYS[15], KEYS[16]) > 0
local any_parked = redis.call('EXISTS', KEYS[3]) == 1
local window_ms = tonumber(ARGV[4])
local window = math.floor(now / window_ms)
local seen = ARGV[3] .. ARGV[4] .. ':' .. window .. ':'
local seen_for = string.format('%d', (window + 2) * window_ms - now)

local at = 12

-- Reads a number and as many pairs.
local function pairs_read()
  local first = at + 2
  at = at + 1 + 2 * tonumber(ARGV[at + 1])
  return first, at
end

local types = {}

-- Why a key cannot be written to as a type, or nil; each key is asked once.
local function wrong(key, expected)
  local found = types[key]
  if not found then
    found = redis.call('TYPE', key).ok
    types[key] = found
  end
  if found ~= expected and found ~= 'none' then
    return 'WRONGTYPE ' .. key .. ' is a ' .. found
  end
end

-- What each place holds that was asked for: '' where nothing, or why that cannot be read.
local held = {}

local function held_at(digest)
  local number, bucket, field = seen_place(digest)
  local holds = held[number]
  if not holds then
    holds = redis.pcall('HGET', seen .. bucket, field) or ''
    held[number] = holds
  end
  return holds
end

local noted = false

local function remember(digest)
  local number, bucket, field = seen_place(digest)
  local key, before = seen .. bucket, held[number]
  held[number] = before .. digest
  redis.call('HSET', key, field, held[number])
  if before == '' then
    redis.call('PEXPIRE', key, seen_for)
    if not noted then
      note_window(KEYS[14], ARGV[4], window, KEYS[8])
      noted = true
    end
  end
end

local function explain(digest, why)
  if redis.call('HLEN', KEYS[11]) < tonumber(ARGV[8]) and redis.call('HSETNX', KEYS[11], digest, why) == 1 then
    redis.call('EXPIRE', KEYS[11], ARGV[7])
  end
end

-- Of the keys that every settlement writes to.
local damage_of_all = wrong(KEYS[1], 'zset') or wrong(KEYS[12], 'zset') or wrong(KEYS[15], 'zset')
  or wrong(KEYS[16], 'hash') or wrong(KEYS[3], 'hash')

local gone, gone_in_bulk = 0, 0
local moved = false
local counters, measures = {}, {}

local function add(sums, first, last)
  for i = first, last, 2 do
    sums[ARGV[i]] = (sums[ARGV[i]] or 0) + ARGV[i + 1]
  end
end

local function settle()
  local contact, holds, will_hold = ARGV[at + 1], ARGV[at + 2] .. ':', ARGV[at + 3] .. ':'
  local taken_text = ARGV[at + 4]
  local taken = tonumber(taken_text)
  at = at + 4
  local replaced_first, replaced_last = pairs_read()
  local following, park_ms, parked, entry = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  at = at + 4
  local confirms_first, confirms_last = pairs_read()
  local digests_first, digests_last = at + 2, at + 1 + ARGV[at + 1]
  at = digests_last
  local counters_first, counters_last = pairs_read()
  local measures_first, measures_last = pairs_read()
  local dead_first, dead_last = pairs_read()
  local because_first, because_last = pairs_read()
  local outbox = ARGV[2] .. contact
  local holder = redis.call('HGET', KEYS[2], contact) or ''
  local length = redis.pcall('LLEN', outbox)
  local readable = type(length) == 'number'
  length = readable and length or 0
  if string.sub(holder, 1, #holds) ~= holds then
    return string.sub(holder, 1, #will_hold) == will_hold and length or -1
  end

  local damage = damage_of_all
    or dead_first <= dead_last and (wrong(KEYS[5], 'hash') or wrong(KEYS[6], 'zset'))
    or entry ~= '' and wrong(KEYS[10], 'stream')
    or because_first <= because_last and wrong(KEYS[11], 'hash')
    or digests_first <= digests_last and wrong(KEYS[14], 'hash')
    or taken > length and 'events to be taken: ' .. taken .. ', of ' .. length
  for i = replaced_first, replaced_last, 2 do
    damage = damage or ARGV[i] + taken >= length and 'event ' .. ARGV[i] .. ' is to be replaced, of ' .. length - taken
  end
  for i = digests_first, digests_last do
    local holds = held_at(ARGV[i])
    damage = damage or type(holds) == 'table' and holds.err
  end
  if damage then
    return damage
  end

  -- Of a claim that has lapsed the set in which the contact waits says the lane.
  local live = mixed and live_events(lanes, contact) or nil
  if live and taken > 0 then
    gone_in_bulk = gone_in_bulk + math.max(0, taken - live)
    live = math.max(0, live - taken)
  end
  moved = moved or taken > 0 or following == 'park'
  if taken > 0 then
    redis.call('LTRIM', outbox, taken_text, '-1')
    gone = gone + taken
  end
  for i = replaced_first, replaced_last, 2 do
    redis.call('LSET', outbox, ARGV[i], ARGV[i + 1])
  end
  for i = digests_first, digests_last do
    remember(ARGV[i])
  end
  add(counters, counters_first, counters_last)
  add(measures, measures_first, measures_last)
  for i = dead_first, dead_last, 2 do
    redis.call('HSET', KEYS[5], ARGV[i], ARGV[i + 1])
    redis.call('ZADD', KEYS[6], string.format('%.3f', precise), ARGV[i])
    -- A thousandth of a millisecond apart, so that a replay finds them in the order in which they died.
    precise = precise + 0.001
  end
  for i = because_first, because_last, 2 do
    explain(ARGV[i], ARGV[i + 1])
  end
  if entry ~= '' then
    redis.call('XADD', KEYS[10], 'MAXLEN', '~', ARGV[6], '*', 'e', entry)
  end

  for i = confirms_first, confirms_last, 2 do
    local forgets = ARGV[i + 1] == '-'
    if not forgets or ARGV[i] == contact or any_shared(ARGV[10]) then
      confirm(ARGV[10], ARGV[i], forgets and '' or ARGV[i + 1], tonumber(ARGV[11]))
    end
  end

  local left = length - taken
  local _, claimed, since
  if following == 'keep' or following == 'return' then
    _, _, claimed, since = string.find(holder, '^(%d+):(%d+)', #holds + 1)
    if since and taken > 0 then
      since = string.format('%d', math.max(since, math.min(now, park_ms)))
    end
  end
  if following == 'park' then
    if redis.call('ZADD', KEYS[12], string.format('%d', now + park_ms), contact) == 1 then
      wait_no_more(lanes, contact)
    end
    if live then
      redis.call('HSET', KEYS[16], contact, live)
    end
    redis.call('HSET', KEYS[3], contact, parked)
    any_parked = true
    redis.call('HDEL', KEYS[2], contact)
    return left
  end
  if any_parked then
    redis.call('HDEL', KEYS[3], contact)
  end
  if following == 'keep' then
    if live == 0 and redis.call('ZREM', KEYS[1], contact) == 1 then
      let_wait(lanes, contact, since or now_text, live)
    elseif live and redis.call('HEXISTS', KEYS[16], contact) == 1 then
      redis.call('HSET', KEYS[16], contact, live)
    end
    redis.call('HSET', KEYS[2], contact, string.format('%s%d:%s', will_hold, (claimed or length) - taken, since or now))
    return left
  end
  if not readable then
    redis.call('RENAME', outbox, ARGV[9] .. contact)
  end
  if redis.call('ZREM', KEYS[12], contact) == 0 then
    -- Its claim has lapsed, or is of a version from before there was `away`.
    wait_no_more(lanes, contact)
  end
  if left > 0 then
    if live then
      redis.call('HSET', KEYS[16], contact, live)
    end
    let_wait(lanes, contact, following == 'return' and since or now_text, live)
  elseif mixed then
    redis.call('HDEL', KEYS[16], contact)
  end
  -- Given back with nothing recorded, a contact stays one whose last request may have been sent by an interrupted claim.
  local settles, unrecorded, begun_by
  if following == 'return' and left > 0 and replaced_first > replaced_last and taken == 0 then
    settles, unrecorded, begun_by = string.match(holder, '^[^:]*:%d+:(%d+):%d+:%d+:(%d+):(.*)$')
  end
  if settles == '0' then
    local earlier = unrecorded == '1' and '' or string.format(':%d:%s', unrecorded - 1, begun_by)
    redis.call('HSET', KEYS[2], contact, string.format('%s:0:0:%d:%s%s', begun_by, claimed, since, earlier))
  else
    redis.call('HDEL', KEYS[2], contact)
  end
  return left
end

local answer = {}
for i = 1, tonumber(ARGV[12]) do
  answer[i] = settle()
end

-- Counted once for all settlements: most of what a settlement writes is counters. One that is damaged must not end the
-- rest: what it counts has happened.
if moved then
  redis.call('SET', KEYS[13], now_text)
end
if gone > 0 then
  redis.pcall('DECRBY', KEYS[4], gone)
end
if gone_in_bulk > 0 then
  redis.pcall('DECRBY', KEYS[17], gone_in_bulk)
end
for name, increment in pairs(counters) do
  redis.pcall('HINCRBY', KEYS[7], name, increment)
  redis.pcall('HINCRBY', KEYS[8], name, increment)
end
-- How often each mapping fired is counted since the start only: fifty of them would swell every minute.
for name, increment in pairs(measures) do
  redis.pcall('HINCRBY', KEYS[9], name, increment)
  local kind = string.sub(name, 1, 4)
  if kind == 'took' or kind == 'wait' or kind == 'sum:' then
    redis.pcall('HINCRBY', KEYS[7], name, increment)
  end
end
if next(counters) or next(measures) then
  redis.call('EXPIRE', KEYS[7], ARGV[5])
end
return answer
