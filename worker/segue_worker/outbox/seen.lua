-- Which messageIds were settled within the dedupe window.
--
-- KEYS[1] windows    hash, see windows.lua
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] prefix of the seen keys (of the same hash tag)
-- ARGV[3] length of a window in ms, or 0 where it is not known
-- ARGV[3 + i]        digest i, 16 bytes
--
-- Returns a list of 1 (seen) or 0, one for each digest.

local prefixes = seen_windows(KEYS[1], ARGV[2], tonumber(ARGV[3]))

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
  local _, bucket, field = seen_place(digest)
  for p = 1, #prefixes do
    local packed = redis.call('HGET', prefixes[p] .. bucket, field)
    if packed and holds(packed, digest) then
      return 1
    end
  end
  return 0
end

local seen = {}
for i = 4, #ARGV do
  seen[i - 3] = is_seen(ARGV[i])
end
return seen
