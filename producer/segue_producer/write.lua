-- Make one write, also where Redis is full: what empties it, and what people see of it, must go on then.
--
-- KEYS[1] any key
-- ARGV[1] the command
-- ARGV[2] and the following: its arguments behind the key
--
-- Returns what the command does.
--
-- A first write that needs no memory lets the second one through; it leaves the key's expiry as it is.

local left = redis.call('PTTL', KEYS[1])
if left > 0 then
  redis.call('PEXPIRE', KEYS[1], left)
else
  redis.call('PERSIST', KEYS[1])
end
return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))
