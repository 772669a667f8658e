-- Where the digests of settled messageIds are: in windows of the length that is set, and of every length that was set
-- before and whose windows are not over. So a changed setting forgets nothing. Stands before the scripts that ask.

-- A window's digests lie packed in 4,096 strings: 256 hashes by the first byte, 16 fields by half of the second.
local FIELDS = {[0] = '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'}
local buckets = {}

-- The number of a digest's string, of 4,096; its bucket, as the hash is called behind the prefix; and its field.
local function seen_place(digest)
  local first, second = string.byte(digest, 1, 2)
  local half = (second - second % 16) / 16
  local bucket = buckets[first]
  if not bucket then
    bucket = string.format('%02x', first)
    buckets[first] = bucket
  end
  return first * 16 + half, bucket, FIELDS[half]
end

-- The prefixes of the keys where digests may be.
--
-- windows    key of the hash: length in ms -> number of its newest window, counted since 1970. The length is negative
--            where the windows' keys do not name it: those of versions that knew only one length.
-- prefix     of the seen keys
-- length     in ms, of the windows of such a version where nothing is noted yet; 0 where it is not known
--
-- Returns the prefixes of the keys to look at. Of each length these are the current window and the one before, so that
-- a digest is remembered for one to two windows; and the newest, where the clock was set back behind it.
local function seen_windows(windows, prefix, length)
  local noted = redis.call('HGETALL', windows)
  if #noted == 0 and length > 0 then
    noted = {string.format('-%d', length), math.floor(now / length)}
  end
  local found = {}
  for i = 1, #noted, 2 do
    local name = string.sub(noted[i], 1, 1) == '-' and prefix or prefix .. noted[i] .. ':'
    local current, newest = math.floor(now / math.abs(noted[i])), tonumber(noted[i + 1])
    if newest >= current - 1 then
      found[#found + 1] = name .. current .. ':'
      found[#found + 1] = name .. current - 1 .. ':'
    end
    if newest > current then
      found[#found + 1] = name .. newest .. ':'
    end
  end
  return found
end

-- Notes that a window of a length is written to, and forgets the lengths whose windows are over. Where nothing was ever
-- counted in `totals`, no other version has settled anything.
local function note_window(windows, length, window, totals)
  if redis.call('HLEN', windows) == 0 and redis.call('EXISTS', totals) == 1 then
    redis.call('HSET', windows, string.format('-%d', length), window)
  end
  if tonumber(redis.call('HGET', windows, length) or 0) < window then
    redis.call('HSET', windows, length, window)
    local noted = redis.call('HGETALL', windows)
    for i = 1, #noted, 2 do
      if tonumber(noted[i + 1]) < math.floor(now / math.abs(noted[i])) - 1 then
        redis.call('HDEL', windows, noted[i])
      end
    end
  end
end

