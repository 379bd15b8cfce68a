-- Lends units of keys to a server, and takes back what it holds: see store/lease for what it does with them.
--
-- KEYS[2i-1]     the state of a caller's key under a policy
-- KEYS[2i]       its standing
-- ARGV[1]        an instant in microseconds since the epoch, only from tests; empty: the server's clock
-- ARGV[1+i]      what is asked of key i: >I2, the number of its policy; >I7I5, end and units of the lease that the server
--                holds, 0 and 0 for none; >I5, how many of them it has spent; >B, 1 where it keeps the others and goes on
--                spending, 0 where it gives them back; >I5, how many it wants besides
-- ARGV[1+#KEYS/2+n] policy number n: >I7BI5, the instant from which on it lends nothing any more, how many percent of a
--                limit may be lent, and for how many ms; then its limits, as check.lua has them
--
-- Returns for each key an error, as check.lua does, or a string: >I7, the instant; >B, 0 where what the server holds now
-- is said next, 1 where the units that it kept are among them, 2 where it holds what it held, and should give it back;
-- >I7I5, end and units of that; then for each limit >I7I4, its reset after and what remains besides.

local MOST_LEASES = 32 -- of one key
local SPARE = 64 -- ticks between the end of a lease and that of its window: no two leases of a key end at one instant
local LEAST_SPAN = 1000

-- grant adds to the leases one of the units that the server keeps and of as many more as there may be. It returns its
-- end and its units.
local function grant(limits, policy, now, kept, held_ends, want)
  local ends, room, most = now + policy.lasts, FOREVER, want
  for n = 1, #limits do
    local l = limits[n]
    room = math.min(room, l.capacity - used_at(l, now) - limits.out - kept)
    most = math.min(most, math.floor(l.capacity * policy.share / 100) - limits.out - kept)
    if l.kind == FIXED_WINDOW then
      if l.used > 0 then
        ends = math.min(ends, l.at + l.period - SPARE)
      else
        most, ends = 0, now -- its window begins with the first use, and nobody would see that
      end
    elseif l.kind == ALIGNED_WINDOW or l.kind == SLIDING_COUNTER then
      ends = math.min(ends, now - now % l.period + l.period - SPARE)
    elseif l.kind == CALENDAR_WINDOW then
      ends = math.min(ends, l.ends - SPARE)
    end
  end
  local leases, units = limits.leases, kept
  if room > 0 and most > 0 and ends - now >= LEAST_SPAN and #leases < 2 * MOST_LEASES then
    units = kept + math.min(most, math.max(1, math.floor(room / 4)))
  end
  if units == 0 then
    return 0, 0
  elseif kept > 0 then
    ends = math.max(ends, held_ends) -- the server may not hear of this
  end
  local place = 1
  while leases[place] and leases[place] <= ends do
    if leases[place] == ends then
      ends = ends + 1
    end
    place = place + 2
  end
  table.insert(leases, place, units)
  table.insert(leases, place, ends)
  limits.out = limits.out + units
  return ends, units
end

-- try decides what is asked of a key with this value and record, and writes nothing. It returns the reply, nil where now
-- is outside of the windows of a calendar that were sent, whether the state has changed, the longest reset after, and the
-- limits that held.
local function try(policy, value, record, asked, now)
  local _, held_ends, held_units, spent, keeps, want = struct.unpack('>I2I7I5I5BI5', asked)
  local standing = record and standings()(record, now)
  local limits = limits_for(policy, standing, now)
  if not limits then
    return nil
  end
  local barred = standing and (standing.limits or standing.ends and standing.ends > now)

  -- What the server holds is found by its end and its units. If it has ended, it is charged as any other that has.
  local found, stands = false, false
  local changed = read(limits, value, now, function(leases)
    for n = 1, #leases, 2 do
      if leases[n] == held_ends and leases[n + 1] == held_units and held_ends > now then
        found, stands = true, keeps == 1 and barred
        if not stands then
          table.remove(leases, n)
          table.remove(leases, n)
        end
        break
      end
    end
  end)
  limits.leases = limits.leases or {}
  local status, kept, ends, units = 0, 0, 0, 0
  if stands then
    status, ends, units = 2, held_ends, held_units
  else
    for n = 1, found and spent > 0 and #limits or 0 do
      take(limits[n], now, spent)
    end
    if found and keeps == 1 then
      status, kept = 1, held_units - spent
    end
    if not barred then
      ends, units = grant(limits, policy, now, kept, held_ends, want)
    end
    changed = changed or found or units > 0
  end

  local reply, longest = struct.pack('>I7BI7I5', now, status, ends, units), 0
  for n = 1, #limits do
    local l = limits[n]
    local _, reset = lent_until(l, limits, now)
    reset = math.min(reset, FOREVER)
    reply = reply .. struct.pack('>I7I4', reset, math.max(0, l.capacity - used_at(l, now) - limits.out))
    longest = math.max(longest, reset)
  end
  return reply, changed, longest, limits
end

local function lend(key, standing_key, policy, asked, now)
  local value, record, fault = look(key, standing_key, policy, now)
  if fault then
    return fault
  end
  local ok, reply, changed, longest, limits = pcall(try, policy, value or '', record, asked, now)
  if not (ok and reply) then
    return undecided(ok, now)
  end
  local written = keep(key, value, limits, changed, longest)
  if type(written) == 'table' and written.err then
    return written
  end
  return reply
end

local now, clock = tonumber(ARGV[1]), redis.call('TIME')
born = clock[1] * 1000 + math.floor(clock[2] / 1000)
if now then
  born = born + 3600000 -- a test's clock stands still while Redis's runs
else
  now = clock[1] * 1000000 + clock[2]
end
local policies, results, keys = {}, {}, #KEYS / 2
for i = 1, keys do
  local number = struct.unpack('>I2', ARGV[1 + i])
  local policy = policies[number]
  if not policy then
    local bytes = ARGV[1 + keys + number]
    local before, share, lasts, pos = struct.unpack('>I7BI5', bytes)
    policy = {before = before, share = share, lasts = lasts * 1000, bytes = bytes, at = pos}
    policies[number] = policy
  end
  results[i] = lend(KEYS[2 * i - 1], KEYS[2 * i], policy, ARGV[1 + i], now)
end
return results
