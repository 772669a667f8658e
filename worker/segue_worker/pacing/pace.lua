-- Hand out the next send slot of a Loops team, or slow the team down.
--
-- The state remembers when the last `slots` slots were really used. A new slot opens one window after the slot that
-- is `slots` back, so no window of that length, sliding or fixed, ever holds more than `slots` of them; a slot used
-- late pushes only the one that must wait for it.
--
-- What Loops says is used of its window, less what was sent from here within it, others of the team have sent: so
-- many slots are left to them. The estimate rises at once and falls slowly, since others are counted in whole requests.
--
-- KEYS[1] state      JSON: ring (ms of use, oldest first, of two windows), seq (number of the newest), factor (share of
--                    the speed, 0..1), at (ms when factor was last raised), block (ms before which nobody sends),
--                    others (slots left to others), seen (ms when that was last known), refused (numbers of slots
--                    whose requests Loops refused, and so does not count), streak (slots in a row for live, while it
--                    waited), pressed (ms until which live waits somewhere)
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] slots in a window
-- ARGV[3] window in ms
-- ARGV[4] by how much of the full speed the factor recovers in a second
-- ARGV[5] 'take', 'report' or 'slow'
-- for 'take': ARGV[6] who waits for it: 'live', 'bulk' or 'both'; ARGV[7] bulk keeps one of so many slots if live takes all
-- for 'take' and 'report': ARGV[8], ... three for each slot used: its number, at which ms it was used at the latest, if late, or 0,
--             and how many slots of its window Loops then called used; 'refused' for a 429; '' where it said nothing.
--             To report it again changes nothing
-- for 'slow': ARGV[6] ms for which nobody sends, ARGV[7] by how many slots a window
--             becomes poorer
--
-- Returns for 'take' {number of the slot, us from now until it opens, 1 if bulk goes first this time or 0, us at which it
-- opens}, or {-1, us from now, 0, 0} where none opens within LONGEST_WAIT_MS, or only bulk asks while live waits elsewhere,
-- or for a slot that is not the next one: then none is taken, and the caller asks again; for 'report' and 'slow' four zeros.

local LEAST_FACTOR = 0.1
-- Nobody sits and waits for longer: whoever is told to leave meanwhile would have taken a slot in vain.
local LONGEST_WAIT_MS = 2000
-- A real second, and what arrival may differ from departure.
local COUNTED_MS = 1006
-- How fast others are forgotten.
local FORGET_MS = 1000
-- Where in between two numbers of slots the larger one is left to others.
local ROUND_UP = 0.7

-- Whether what is kept can be gone by. A state that was damaged is begun anew.
local function is_state(kept)
  if type(kept) ~= 'table' or type(kept.ring) ~= 'table' or type(kept.refused) ~= 'table' then
    return false
  end
  for _, name in ipairs({'seq', 'factor', 'at', 'block', 'others', 'seen'}) do
    if type(kept[name]) ~= 'number' then
      return false
    end
  end
  for _, list in ipairs({kept.ring, kept.refused}) do
    for _, number in ipairs(list) do
      if type(number) ~= 'number' then
        return false
      end
    end
  end
  return true
end

-- Slots are fractions of a millisecond apart.
now = precise
local slots = tonumber(ARGV[2])
local window = tonumber(ARGV[3])
local raw = redis.pcall('GET', KEYS[1])
local read, kept = pcall(cjson.decode, raw)
local state = read and is_state(kept) and kept or {ring = {}, seq = 0, factor = 1, at = now, block = 0,
                                                  others = 0, seen = now, refused = {}}
if state.at > now then
  -- The server's clock was set back: what was so long ago, or ahead, still is.
  local back = state.at - now
  for place, at in ipairs(state.ring) do
    state.ring[place] = at - back
  end
  state.block, state.seen = state.block - back, state.seen - back
  state.pressed = state.pressed and state.pressed - back
  state.at = now
end
state.factor = math.min(1, state.factor + math.max(0, now - state.at) / 1000 * ARGV[4])
state.at = now
local answer = {0, 0, 0, 0}

-- How many slots were used in the second up to the one at a place, less those refused.
local function own_until(place)
  local ring, own = state.ring, 0
  for _, at in ipairs(ring) do
    if at <= ring[place] and at > ring[place] - COUNTED_MS then
      own = own + 1
    end
  end
  for _, number in ipairs(state.refused) do
    local at = ring[#ring - (state.seq - number)]
    if at and at <= ring[place] and at > ring[place] - COUNTED_MS then
      own = own - 1
    end
  end
  return own
end

if ARGV[5] == 'slow' then
  -- Answers to requests that were already under way tell nothing new.
  if now >= state.block then
    state.factor = math.max(LEAST_FACTOR, state.factor - ARGV[7] / slots)
  end
  state.block = math.max(state.block, now + ARGV[6])
else
  local ring = state.ring
  local known = {}
  for i = 8, #ARGV, 3 do
    local number = tonumber(ARGV[i])
    local place = #ring - (state.seq - number)
    if place >= 1 and place <= #ring then
      -- Not after now, though the clock was set back since.
      ring[place] = math.max(ring[place], math.min(tonumber(ARGV[i + 1]), now))
      if ARGV[i + 2] == 'refused' then
        state.refused[#state.refused + 1] = number
        known[place] = slots
      elseif ARGV[i + 2] ~= '' then
        known[place] = tonumber(ARGV[i + 2])
      end
    end
  end
  for place, used in pairs(known) do
    local others = math.max(0, math.min(used - own_until(place), slots - 1))
    state.others = math.max(others, others + (state.others - others) * math.exp((state.seen - now) / FORGET_MS))
    state.seen = now
  end
  if ARGV[5] == 'take' then
    local room = slots - math.floor(state.others + ROUND_UP)
    local pace = window / state.factor
    local slot = math.max(now, state.block)
    if #ring > 0 then
      -- Nearly even spacing: a burst is smoothed, and what one late slot pushes is soon caught up.
      slot = math.max(slot, ring[#ring] + pace / room * 0.8)
    end
    if #ring >= room then
      slot = math.max(slot, ring[#ring - room + 1] + pace)
    end
    local others_live = ARGV[6] == 'bulk' and now < (state.pressed or 0)
    local bulk_first = ARGV[6] ~= 'live' and (state.streak or 0) >= ARGV[7] - 1
    if slot - now > LONGEST_WAIT_MS then
      answer = {-1, math.floor((slot - now) * 1000), 0, 0}
    elseif ARGV[6] == 'bulk' and slot - now > 1.2 * pace / room then
      -- Bulk of several processes must not stand in a row before what becomes live meanwhile.
      answer = {-1, math.ceil((slot - now - pace / room) * 1000), 0, 0}
    elseif others_live and not bulk_first then
      answer = {-1, math.ceil((state.pressed - now) * 1000), 0, 0}
    else
      state.streak = (bulk_first or ARGV[6] == 'bulk') and 0 or math.min((state.streak or 0) + 1, 1000)
      if ARGV[6] ~= 'bulk' then
        -- Whoever still waits asks again once this one has opened.
        state.pressed = slot + pace / room / 2
      end
      ring[#ring + 1] = slot
      while #ring > 2 * slots do
        table.remove(ring, 1)
      end
      state.seq = state.seq + 1
      while #state.refused > 0 and state.refused[1] <= state.seq - #ring do
        table.remove(state.refused, 1)
      end
      answer = {state.seq, math.floor((slot - now) * 1000), bulk_first and 1 or 0, math.floor(slot * 1000)}
    end
  end
end

redis.call('SET', KEYS[1], cjson.encode(state), 'PX', 60000 + math.ceil(math.max(0, state.block - now)))
return answer
