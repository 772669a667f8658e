-- Put dead letters of another destination among those of this one: each once, to the time at which it died.
--
-- KEYS[1] dead       hash  id -> JSON
-- KEYS[2] dead_at    zset  id -> ms
-- KEYS[3] arrived    hash  'letter ' and id -> token of the move by which it arrived
-- ARGV[1] token of the move
-- ARGV[2], ...       three for each letter: id, ms, JSON
--
-- Returns how many were put there; those that arrived by an earlier call are not, wherever they are by now.

local count = 0
for i = 2, #ARGV, 3 do
  local mark = 'letter ' .. ARGV[i]
  if redis.call('HGET', KEYS[3], mark) ~= ARGV[1] then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
    redis.call('ZADD', KEYS[2], ARGV[i + 1], ARGV[i])
    redis.call('HSET', KEYS[3], mark, ARGV[1])
    count = count + 1
  end
end
return count
