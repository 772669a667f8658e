-- Begin a run, if the destination has room for one more.
--
-- KEYS[1] hinted     string, present for a moment after a hint
-- KEYS[1 + i]        run number i - 1, a string with the run's owner token
-- ARGV[1] owner token
-- ARGV[2] ms for which the run is alive without a heartbeat
--
-- Returns the run's number, or -1 where as many runs as allowed are alive.

-- A first write that needs no memory: the rest of the script is then let through even where Redis is full, and
-- delivering is what empties it.
redis.call('PERSIST', KEYS[1])

for i = 2, #KEYS do
  -- The owner's own token is there when this is a repeat, after an answer that was lost.
  if redis.call('SET', KEYS[i], ARGV[1], 'NX', 'PX', ARGV[2]) or redis.call('GET', KEYS[i]) == ARGV[1] then
    -- The hint has done its work: the next append after this run must be able to send another.
    redis.call('DEL', KEYS[1])
    return i - 2
  end
end
return -1
