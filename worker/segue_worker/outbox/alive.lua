-- Whether the run whose string has this value is alive. Stands before the scripts that ask for it.
--
-- value      owner token ':' ms of its last heartbeat; false where the string is gone
-- lease_ms   for how long a heartbeat counts
--
-- Redis lets the string expire by its own clock. Where that was set back it would stay, and hold the destination.

local function is_alive(value, lease_ms)
  local at = value and tonumber(string.match(value, ':(%d+)$') or now)
  return at and at > now - lease_ms and at <= now + 1000
end

