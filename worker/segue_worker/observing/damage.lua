-- Which keys of a destination do not hold what they should. Only reads.
--
-- KEYS  those whose type does not vary
-- ARGV  what each should hold: a Redis type, or
--       number   string, a whole number
--       numbers  hash whose values are whole numbers
--       limits   hash whose fields max_pending and rate_limit are whole numbers, where there are any
--
-- Returns {place in KEYS, what it is instead, place, ...}: a Redis type, 'no number', or 'no number in ' and the field.

local TYPES = {number = 'string', numbers = 'hash', limits = 'hash'}

local function is_number(text)
  return not text or string.match(text, '^%-?%d+$') ~= nil
end

local function why(key, wanted)
  local found = redis.call('TYPE', key).ok
  if found == 'none' then
    return nil
  end
  if found ~= (TYPES[wanted] or wanted) then
    return found
  end
  if wanted == 'number' and not is_number(redis.call('GET', key)) then
    return 'no number'
  end
  if wanted == 'limits' then
    for _, field in ipairs({'max_pending', 'rate_limit'}) do
      if not is_number(redis.call('HGET', key, field)) then
        return 'no number in ' .. field
      end
    end
  end
  local pairs_of = wanted == 'numbers' and redis.call('HGETALL', key) or {}
  for i = 1, #pairs_of, 2 do
    if not is_number(pairs_of[i + 1]) then
      return 'no number in ' .. pairs_of[i]
    end
  end
  return nil
end

local found = {}
for i, key in ipairs(KEYS) do
  local instead = why(key, ARGV[i])
  if instead then
    found[#found + 1] = i
    found[#found + 1] = instead
  end
end
return found
