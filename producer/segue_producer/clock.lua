-- Stands before every script that knows the time. The time is read once, so that a step has one: ARGV[1] in ms, or the
-- server's clock where that is 0. It may go back between two steps.

local precise = tonumber(ARGV[1])
if precise == 0 then
  local time = redis.call('TIME')
  precise = time[1] * 1000 + time[2] / 1000
end
local now = math.floor(precise)
-- For commands: a number that a script passes is written with 17 digits and read again, which costs more than most commands.
local now_text = string.format('%d', now)

