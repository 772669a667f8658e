-- Replace or end the pause that the caller has looked at, unless somebody changed it meanwhile.
--
-- KEYS[1] paused     string
-- ARGV[1] the pause as the caller knows it
-- ARGV[2] the pause in its place, or '' to end it
--
-- Returns 1, or 0 where it was another one: then nothing changed.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
-- The first write, which needs no memory, lets the second one through where Redis is full.
redis.call('DEL', KEYS[1])
if ARGV[2] ~= '' then
  redis.call('SET', KEYS[1], ARGV[2])
end
return 1
