-- Heartbeat: keep a run and the contacts it has claimed.
--
-- KEYS[1] run        string, owner token
-- KEYS[2] due        zset  contact -> ms
-- KEYS[3] lease      hash  contact -> owner token ':' what claim.lua says
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] owner token
-- ARGV[3] length of the lease in ms, of the run and of its contacts
-- ARGV[3 + i]        contact i
--
-- Returns {1 or 0: whether the run is still the owner's, contact, contact, ...}: the contacts that are not.

local now = tonumber(ARGV[1])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A first write that needs no memory: the rest of the script is then let through even where Redis is full, and
-- delivering is what empties it.
redis.call('PERSIST', KEYS[2])

local lost = {1}
local owner = redis.call('GET', KEYS[1])
if owner == ARGV[2] or not owner then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
else
  lost[1] = 0
end
local prefix = ARGV[2] .. ':'
for i = 4, #ARGV do
  local holder = redis.call('HGET', KEYS[3], ARGV[i])
  if holder and string.sub(holder, 1, #prefix) == prefix then
    redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[i])
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
