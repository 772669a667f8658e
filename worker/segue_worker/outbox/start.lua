-- Begin a run, if the destination has room for one more.
--
-- KEYS[1] hinted     string, present for a moment after a hint
-- KEYS[1 + i]        run number i - 1, a string: the run's owner token ':' ms of its last heartbeat
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] owner token
-- ARGV[3] ms for which the run is alive without a heartbeat
--
-- Returns {the run's number, or -1 where as many runs as allowed are alive; now in ms}.

for i = 2, #KEYS do
  local value = redis.call('GET', KEYS[i])
  -- The owner's own token is there when this is a repeat, after an answer that was lost.
  if not is_alive(value, tonumber(ARGV[3])) or string.sub(value, 1, #ARGV[2] + 1) == ARGV[2] .. ':' then
    redis.call('SET', KEYS[i], string.format('%s:%d', ARGV[2], now), 'PX', ARGV[3])
    -- The hint has done its work: the next append after this run must be able to send another.
    redis.call('DEL', KEYS[1])
    return {i - 2, now}
  end
end
return {-1, now}
