-- Heartbeat: keep a run and the contacts it has claimed.
--
-- KEYS[1] run        string, owner token
-- KEYS[2] due        zset  contact -> ms
-- KEYS[3] lease      hash  contact -> who holds it, see claim.lua
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] owner token
-- ARGV[3] length of the lease in ms, of the run and of its contacts
-- ARGV[2 + 2i], ARGV[3 + 2i]   contact and token of claim i
--
-- Returns {1 or 0: whether the run is still the owner's, i, i, ...}: the claims that hold no longer.

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
for i = 4, #ARGV, 2 do
  local contact, prefix = ARGV[i], ARGV[i + 1] .. ':'
  local holder = redis.call('HGET', KEYS[3], contact)
  if holder and string.sub(holder, 1, #prefix) == prefix then
    redis.call('ZADD', KEYS[2], now + ARGV[3], contact)
  else
    lost[#lost + 1] = i / 2 - 1
  end
end
return lost
