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

local window = math.floor(now / tonumber(ARGV[3]))
local current, before = ARGV[2] .. window .. ':', ARGV[2] .. (window - 1) .. ':'

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

local function is_seen(digest)
  local first, second = string.byte(digest, 1, 2)
  local bucket, field = string.format('%02x', first), string.format('%x', math.floor(second / 16))
  local packed = redis.call('HGET', current .. bucket, field)
  if packed and holds(packed, digest) then
    return 1
  end
  packed = redis.call('HGET', before .. bucket, field)
  return packed and holds(packed, digest) and 1 or 0
end

local seen = {}
for i = 4, #ARGV do
  seen[i - 3] = is_seen(ARGV[i])
end
return seen
