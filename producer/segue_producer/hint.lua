-- Stands before every script that makes contacts due. Whether its caller is to send a hint: once in a while, and only
-- where no run is alive, which would find the contacts by itself, and the destination is not held.
--
-- run        key of the string of the first run
-- paused     key of the string that is present while the destination is paused
-- hinted     key of the string that is present for a moment after a hint
--
-- Returns 1 or 0.

local function hint_wanted(run, paused, hinted)
  if redis.call('EXISTS', run, paused) == 0 then
    -- Below 0 there is none. One that lives for longer was written before the server's clock was set back.
    local left = redis.call('PTTL', hinted)
    if left < 0 or left > 1000 then
      redis.call('SET', hinted, '1', 'PX', 1000)
      return 1
    end
  end
  return 0
end

