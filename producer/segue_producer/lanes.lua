-- Lanes: contacts with a live event go before those that have only bulk. Stands before the scripts that let contacts wait.
--
-- lanes.due      key of the zset  live contact that waits -> ms since which it has
-- lanes.bulk     key of the zset  bulk contact that waits -> ms since which it has
-- lanes.live     key of the hash  contact -> how many events there are up to its last live one, where not all are. Without
--                a field all are live, or none, if the contact is in `bulk`; one that is away has a field then, 0.
--
-- A contact is live as long as a live event waits for it; what was enqueued before that event goes with it.

-- How many of a contact's oldest events are live; nil where all are.
local function live_events(lanes, contact)
  local live = redis.call('HGET', lanes.live, contact)
  if live then
    return tonumber(live)
  end
  return redis.call('ZSCORE', lanes.bulk, contact) and 0 or nil
end

-- Lets a contact wait that has so many live events, nil for all.
local function let_wait(lanes, contact, since, live)
  if live == 0 then
    redis.call('ZADD', lanes.bulk, since, contact)
    redis.call('HDEL', lanes.live, contact)
  else
    redis.call('ZADD', lanes.due, since, contact)
  end
end

-- Takes a contact out of those that wait, because it is away or gone from now on.
local function wait_no_more(lanes, contact)
  redis.call('ZREM', lanes.due, contact)
  if redis.call('ZREM', lanes.bulk, contact) == 1 then
    redis.call('HSET', lanes.live, contact, 0)
  end
end

-- Lets a contact wait to whose outbox one event was added, which then has `length`; it keeps the place it has in its lane,
-- and the end of its claim or pause. `away` is the key of the zset, or false where nobody is. `mixed` says whether any
-- contact is in bulk, in part or whole. Returns whether the contact waits where it did not before, and by how many the
-- events in bulk have become more.
local function join(lanes, away, contact, length, lane, mixed)
  local is_away = away and redis.call('ZSCORE', away, contact)
  if lane == 'bulk' then
    -- A contact that has nothing left may still wait, until a claim finds out.
    if is_away or redis.call(length > 1 and 'ZSCORE' or 'ZREM', lanes.due, contact) and length > 1 then
      redis.call('HSETNX', lanes.live, contact, length - 1)
      return false, 1
    end
    return redis.call('ZADD', lanes.bulk, 'NX', now_text, contact) == 1, 1
  end
  local more = 0
  if mixed then
    if redis.call('ZREM', lanes.bulk, contact) == 1 then
      redis.call('ZADD', lanes.due, now_text, contact)
      return true, 1 - length
    end
    local live = redis.call('HGET', lanes.live, contact)
    if live then
      redis.call('HDEL', lanes.live, contact)
      more = live - (length - 1)
    end
  end
  return not is_away and redis.call('ZADD', lanes.due, 'NX', now_text, contact) == 1, more
end

