-- The last update that Loops has confirmed of each contact. Stands before the scripts that ask for it, or change it.
--
-- prefix     of the keys: 256 hashes with 64 fields each, by a digest of the contact. A field packs 24 bytes for each contact,
--            oldest first: 8 of a digest of the contact, 8 of the request's, and the second in 8 hexadecimal digits.
--
-- A digest of zeros says that the contact may have been changed by another one, which is the same contact at Loops.
--
-- What cannot be read counts as not confirmed. The key `prefix .. 'any'` lasts as long as anything may be confirmed: most
-- destinations never do, and need not look.

-- Contacts of one place and name forget each other's, which does no harm: a request names its contact.
local function confirmed_place(prefix, contact)
  local place, name = 7, 7
  for _, byte in ipairs({string.byte(contact, 1, -1)}) do
    place, name = (place * 31 + byte) % 4294967291, (name * 131 + byte) % 4294967279
  end
  return prefix .. string.format('%02x', place % 256), string.format('%02x', math.floor(place % 16384 / 256)), string.format('%08x', name)
end

local TOUCHED = string.rep('\0', 8)

local function confirmed_at(packed, name)
  local found = string.find(packed, name, 1, true)
  while found and (found - 1) % 24 > 0 do
    found = string.find(packed, name, found + 1, true)
  end
  return found
end

-- Whether anything may have been confirmed.
local function any_confirmed(prefix)
  return redis.call('EXISTS', prefix .. 'any') == 1
end

-- The digest of a contact's request; '-' where it was confirmed longer ago than `within_ms`; '' where none was.
local function confirmed(prefix, contact, within_ms)
  local key, field, name = confirmed_place(prefix, contact)
  local packed = redis.pcall('HGET', key, field)
  local at = type(packed) == 'string' and confirmed_at(packed, name)
  if not at then
    return ''
  end
  local age_ms = now - (tonumber(string.sub(packed, at + 16, at + 23), 16) or 0) * 1000
  return age_ms >= -1000 and age_ms < within_ms and string.sub(packed, at + 8, at + 15) or '-'
end

local noted = {}

-- Notes for as long as it is so that there is something of a kind: `any`, or `shared` where a contact may be another one too.
local function note(prefix, kind, within_ms, kept_ms)
  if not noted[kind] and redis.call('PTTL', prefix .. kind) < within_ms + 1000 then
    -- Of a longer time that was set before, something may still be there.
    redis.pcall('SET', prefix .. kind, '', 'PX', kept_ms)
  end
  noted[kind] = true
end

local shared

-- Whether there may be something to forget of a contact that a request of another one names: there is only of emails, which
-- have no userId, and of what was changed by others.
local function any_shared(prefix)
  if shared == nil then
    shared = redis.call('EXISTS', prefix .. 'shared') == 1
  end
  return noted.shared or shared
end

-- Puts a digest in the place of what was confirmed, or '' to forget it; it is kept for `within_ms`.
local function confirm(prefix, contact, digest, within_ms)
  local key, field, name = confirmed_place(prefix, contact)
  local packed = redis.pcall('HGET', key, field)
  packed = type(packed) == 'string' and packed or ''
  local at = confirmed_at(packed, name)
  if at then
    packed = string.sub(packed, 1, at - 1) .. string.sub(packed, at + 24)
  end
  if digest == '' then
    if at then
      redis.pcall('HSET', key, field, packed)
    end
    return
  end
  -- Those that are over come first.
  while #packed > 0 and now - (tonumber(string.sub(packed, 17, 24), 16) or 0) * 1000 >= within_ms do
    packed = string.sub(packed, 25)
  end
  redis.pcall('HSET', key, field, packed .. name .. digest .. string.format('%08x', math.floor(now / 1000)))
  local kept_ms = string.format('%d', within_ms + 1000)
  redis.pcall('PEXPIRE', key, kept_ms)
  note(prefix, 'any', within_ms, kept_ms)
  if string.find(contact, '@', 1, true) or digest == TOUCHED then
    note(prefix, 'shared', within_ms, kept_ms)
  end
end

