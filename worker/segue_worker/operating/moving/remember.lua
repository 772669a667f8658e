-- Remember the messageIds of another destination's bucket as settled here; see outbox/windows.lua.
--
-- KEYS[1] seen       hash  field -> packed digests of 16 bytes
-- KEYS[2] windows    hash  length of the windows in ms -> number of the newest
-- ARGV[1] length of the window in ms, as in `windows`
-- ARGV[2] number of the window
-- ARGV[3] ms for which the bucket is kept
-- ARGV[4], ...       field and packed digests, of each
--
-- Returns how many digests were not known yet.

local fresh = 0
for i = 4, #ARGV, 2 do
  local packed, known = redis.call('HGET', KEYS[1], ARGV[i]) or '', {}
  for at = 1, #packed, 16 do
    known[string.sub(packed, at, at + 15)] = true
  end
  local more = {packed}
  for at = 1, #ARGV[i + 1], 16 do
    local digest = string.sub(ARGV[i + 1], at, at + 15)
    if not known[digest] then
      more[#more + 1] = digest
    end
  end
  fresh = fresh + #more - 1
  redis.call('HSET', KEYS[1], ARGV[i], table.concat(more))
end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
if tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or 0) < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
end
return fresh
