-- Forgets what a key has used. What is lent of it stays lent: it may be spent until the leases end, and counts as used
-- from then on.
--
-- KEYS[1]   the state of a caller's key under a policy

local LEASES = 244

local value = redis.pcall('GET', KEYS[1])
if type(value) == 'string' and string.byte(value) == LEASES then
  local time = redis.call('TIME')
  local now, lent, leases, pos = time[1] * 1000000 + time[2], '', 0, 3
  for n = 1, string.byte(value, 2) do
    if struct.unpack('>I7', value, pos) > now then
      lent, leases = lent .. string.sub(value, pos, pos + 11), leases + 1
    end
    pos = pos + 12
  end
  if leases > 0 then
    return redis.call('SET', KEYS[1], struct.pack('>BB', LEASES, leases) .. lent, 'KEEPTTL')
  end
end
return redis.call('DEL', KEYS[1])
