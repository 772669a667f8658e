-- Which messageIds were settled within the dedupe window.
--
-- KEYS[1] any key of the destination (the seen keys share its hash tag)
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] prefix of the seen keys
-- ARGV[3] length of a seen window in ms
-- ARGV[3 + i]        digest i, 16 bytes
--
-- Returns a list of 1 (seen) or 0, one for each digest. The current window and the one before are looked at, so that
-- a digest is remembered for one to two windows.

local now = tonumber(ARGV[1])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local window = math.floor(now / tonumber(ARGV[3]))

local function holds(packed, digest)
  local from = 1
  while true do
    local found = string.find(packed, digest, from, true)
    if not found then
      return false
    end
    if (found - 1) % 16 == 0 then
      return true
    end
    from = found + 1
  end
end

local seen = {}
for i = 4, #ARGV do
  local digest = ARGV[i]
  local field = string.format('%x', math.floor(string.byte(digest, 2) / 16))
  local answer = 0
  for back = 0, 1 do
    local key = string.format('%s%d:%02x', ARGV[2], window - back, string.byte(digest, 1))
    local packed = redis.call('HGET', key, field)
    if packed and holds(packed, digest) then
      answer = 1
    end
  end
  seen[#seen + 1] = answer
end
return seen
