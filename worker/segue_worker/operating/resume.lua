-- Resume a destination.
--
-- KEYS[1] paused     string
-- KEYS[2] resumed    string, present for a while after somebody ended a pause
-- ARGV[1] for how many seconds it is present
--
-- Returns 1 where the destination was paused, else 0.
--
-- It succeeds where Redis is full: what a pause holds back may be what fills it.

redis.call('SET', KEYS[2], '1', 'EX', ARGV[1])
return redis.call('DEL', KEYS[1])
