-- Adds to what was sent to a destination: names and types of what requests held.
-- KEYS: 1 sent (string). ARGV: 1 keys kept at most, 2 minute since 1970, 3 minutes a key is kept, 4 JSON: key -> types, count, mapping.
-- Returns the keys that are new, '!' among them where no further ones are taken from now on; and those not taken.
local sent = cjson.decode(redis.call('GET', KEYS[1]) or '{}')
local most, minute, kept = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local size, added, refused = 0, {}, {}
for key, old in pairs(sent) do
  if old[2] < minute - kept then
    sent[key] = nil
  else
    size = size + 1
  end
end
for key, new in pairs(cjson.decode(ARGV[4])) do
  local old = sent[key]
  if not old and size >= most then
    refused[#refused + 1] = key
    key, new = '!', {'', 0, ''}
    old = sent[key]
  end
  if not old then
    added[#added + 1] = key
    size = size + 1
    old = {'', 0, 0, ''}
  end
  local types = old[1]
  for letter in string.gmatch(new[1], '.') do
    if not string.find(types, letter, 1, true) then
      types = types .. letter
    end
  end
  sent[key] = {types, minute, old[3] + new[2], new[3]}
end
redis.call('SET', KEYS[1], cjson.encode(sent))
return {added, refused}
