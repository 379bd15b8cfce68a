-- What servers have taken ahead of a key, see store/lease: it stands before the states and is in use until its end, of
-- which nobody knows how much of it is spent. From then on it is used, as of its end.
--
-- Leases are a list, in the order of their ends: the end of one, its units, the end of the next, ...

local LEASES = 244
local LONGEST_LEASE = 61000000 -- a minute, and what lend.lua adds to keep two ends apart

-- leasing reads the leases that begin a value. It returns them, where the states begin, and what charges those that have
-- ended.
local function leasing(value)
  local leases, pos = {}, 3
  for n = 1, 2 * string.byte(value, 2), 2 do
    leases[n], leases[n + 1], pos = struct.unpack('>I7I5', value, pos)
  end

  -- charge charges what was lent until now to limits whose states are those that were stored, or have been carried over
  -- to now. What is left of the leases is then in limits. A lease from further ahead than any lasts is charged now. It
  -- returns whether there was one.
  local function charge(limits, now, carried)
    local wrong, left, out = false, {}, 0
    for n = 1, #leases, 2 do
      local ends, units = leases[n], leases[n + 1]
      local ahead = ends - now > LONGEST_LEASE
      if ends > now and not ahead then
        left[#left + 1], left[#left + 2], out = ends, units, out + units
      elseif units > 0 then
        local at = (ahead or carried) and now or ends
        for i = 1, #limits do
          local l = limits[i]
          if l.kind ~= CALENDAR_WINDOW or at >= l.starts then -- the windows before are over
            wrong = advance(l, at) or wrong
            take(l, at, units)
          end
        end
      end
      wrong = wrong or ahead
    end
    limits.leases, limits.out = left, out
    return wrong
  end

  return leases, pos, charge
end

local function write_leases(leases)
  local bytes = struct.pack('>BB', LEASES, #leases / 2)
  for n = 1, #leases, 2 do
    bytes = bytes .. struct.pack('>I7I5', leases[n], leases[n + 1])
  end
  return bytes
end
