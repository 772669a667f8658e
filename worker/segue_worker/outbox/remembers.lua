-- Whether something is remembered of any of some contacts.
--
-- KEYS[1] confirmed:any, by which a cluster knows the slot of them all
-- ARGV[1] now in ms, or 0 for the server's clock
-- ARGV[2] prefix of what was confirmed (of the same hash tag)
-- ARGV[3] ms for which that counts
-- ARGV[3 + i]        contact i
--
-- Returns 1 or 0.

for i = 4, #ARGV do
  local digest = confirmed(ARGV[2], ARGV[i], tonumber(ARGV[3]))
  if digest ~= '' and digest ~= '-' then
    return 1
  end
end
return 0
