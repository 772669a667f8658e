-- Hand out the next send slot of a Loops team, or slow the team down.
--
-- The state remembers when the last `slots` slots were really used. A new slot opens one window after the slot that
-- is `slots` back, so no window of that length, sliding or fixed, ever holds more than `slots` of them; a slot used
-- late pushes only the one that must wait for it.
--
-- KEYS[1] state      JSON: ring (ms of use, oldest first), seq (number of the newest), factor (share of the speed,
--                    0..1), at (ms when factor was last raised), block (ms before which nobody sends)
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] slots in a window
-- ARGV[3] window in ms
-- ARGV[4] by how much of the full speed the factor recovers in a second
-- ARGV[5] 'take' or 'slow'
-- for 'take': ARGV[6], ARGV[7], ... pairs of the number of a slot and by how many ms it was used late
-- for 'slow': ARGV[6] ms for which nobody sends, ARGV[7] by how many slots a window
--             becomes poorer
--
-- Returns for 'take' {number of the slot, us from now until it opens}; for 'slow' {0, 0}.

local LEAST_FACTOR = 0.1

local now = tonumber(ARGV[1])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + time[2] / 1000
end
local slots = tonumber(ARGV[2])
local window = tonumber(ARGV[3])
local raw = redis.call('GET', KEYS[1])
local state = raw and cjson.decode(raw) or {ring = {}, seq = 0, factor = 1, at = now, block = 0}
state.factor = math.min(1, state.factor + math.max(0, now - state.at) / 1000 * ARGV[4])
state.at = now
local answer = {0, 0}

if ARGV[5] == 'slow' then
  -- Answers to requests that were already under way tell nothing new.
  if now >= state.block then
    state.factor = math.max(LEAST_FACTOR, state.factor - ARGV[7] / slots)
  end
  state.block = math.max(state.block, now + ARGV[6])
else
  local ring = state.ring
  for i = 6, #ARGV, 2 do
    local place = #ring - (state.seq - tonumber(ARGV[i]))
    if place >= 1 and place <= #ring then
      ring[place] = ring[place] + ARGV[i + 1]
    end
  end
  local pace = window / state.factor
  local slot = math.max(now, state.block)
  if #ring > 0 then
    -- Nearly even spacing: a burst is smoothed, and what one late slot pushes is soon caught up.
    slot = math.max(slot, ring[#ring] + pace / slots * 0.8)
  end
  if #ring >= slots then
    slot = math.max(slot, ring[#ring - slots + 1] + pace)
  end
  ring[#ring + 1] = slot
  while #ring > slots do
    table.remove(ring, 1)
  end
  state.seq = state.seq + 1
  answer = {state.seq, math.floor((slot - now) * 1000)}
end

-- A first write that needs no memory, so that the second is let through where Redis is full.
redis.call('PERSIST', KEYS[1])
redis.call('SET', KEYS[1], cjson.encode(state), 'PX', 60000)
return answer
