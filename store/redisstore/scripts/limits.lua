-- The arithmetic of limits, as in the package algorithm: the beginning of check.lua and amend.lua, which are sent with it.
--
-- All instants and spans are in microseconds. A Lua number counts exactly up to 2^53, which is the year 2255; products
-- beyond it are made in parts, by muldiv.

-- Constants stand in the script as numbers when it is sent, and functions of libraries are called by their full names:
-- whatever a function captures is paid for at every call, and a lone check calls few.
local SLIDING_WINDOW, TOKEN_BUCKET, FIXED_WINDOW, SLIDING_COUNTER, ALIGNED_WINDOW, CALENDAR_WINDOW = 16, 17, 18, 19, 20, 21
local FOREVER = 9007199254740991
local NEVER = 9007199254740992
local EXACT_ADMISSIONS, MOST_ADMISSIONS = 64, 76
local ADMISSION = 12 -- bytes of one, as >I7I5: instant, units

-- muldiv returns a*b/m rounded down, and the remainder. It needs a < 2^35, and b and m < 2^45; a quotient beyond 2^53
-- is only roughly right.
local function muldiv(a, b, m)
  local product = a * b
  if product < FOREVER then
    local rest = product % m
    return (product - rest) / m, rest
  end
  local quotient, rest, scale = 0, 0, 268435456
  while scale >= 1 do -- a digit of a at a time, to the base of 128
    local digit = math.floor(a / scale)
    a = a - digit * scale
    local part = rest * 128 + digit * b
    rest = part % m
    quotient = quotient * 128 + (part - rest) / m
    scale = scale / 128
  end
  return quotient, rest
end

-- A limit and the state that it keeps of the key are one table:
--
--   head                            the bytes that begin its part of the value
--   kind, period, count, capacity   its numbers
--   at, used, prev                  its state, as in the package algorithm; used = 0 and prev = 0 is a key never seen
--   log, alive, newest              of a sliding window: the bytes of the alive admissions, oldest first, their number,
--                                   and the instant of the last
--   starts, ends                    of a calendar window: the ends of the one that holds now. What began in it is kept as
--                                   if it had begun a period before that end, and so ends there

local function forget(l)
  l.at, l.used, l.prev = 0, 0, 0
  if l.kind == SLIDING_WINDOW then
    l.log, l.alive, l.newest = '', 0, 0
  end
end

-- coalesce joins admissions of one sub-window; see algorithm/slidingwindow.go.
local function coalesce(l, width)
  local joined, last_at, last_units = {}, nil, nil
  for pos = 1, #l.log, ADMISSION do
    local at, units = struct.unpack('>I7I5', l.log, pos)
    if last_at and math.floor(last_at / width) == math.floor(at / width) then
      last_units = last_units + units
    else
      if last_at then
        joined[#joined + 1] = struct.pack('>I7I5', last_at, last_units)
      end
      last_units = units
    end
    last_at = at
  end
  joined[#joined + 1] = struct.pack('>I7I5', last_at, last_units)
  l.log, l.alive = table.concat(joined), #joined
end

-- take charges units to a state that was advanced to now.
local function take(l, now, units)
  local first = l.used == 0 and l.prev == 0
  l.used = l.used + units
  if l.kind == SLIDING_WINDOW then
    local at, width = math.max(now, l.newest), math.floor(l.period / EXACT_ADMISSIONS)
    if not first and (at == l.newest
      or (l.alive >= EXACT_ADMISSIONS and math.floor(at / width) == math.floor(l.newest / width))) then
      local _, before = struct.unpack('>I7I5', l.log, #l.log - ADMISSION + 1)
      l.log = string.sub(l.log, 1, -ADMISSION - 1) .. struct.pack('>I7I5', at, before + units)
    else
      if l.alive == MOST_ADMISSIONS then
        coalesce(l, width)
      end
      l.log = l.log .. struct.pack('>I7I5', at, units)
      l.alive = l.alive + 1
    end
    l.newest = at
  elseif first then
    l.at = now
    if l.kind == ALIGNED_WINDOW or l.kind == SLIDING_COUNTER then
      l.at = now - now % l.period
    elseif l.kind == CALENDAR_WINDOW then
      l.at = l.ends - l.period
    end
  end
end

-- spend replaces the state by one in which so many units are used at now.
local function spend(l, now, units)
  forget(l)
  if units > 0 then
    take(l, now, units)
  end
end

-- advance brings the state to now. It returns whether the state came from so far ahead that it was replaced.
local function advance(l, now)
  local kind, period, at = l.kind, l.period, l.at
  if l.used == 0 and l.prev == 0 then
    return false
  end
  if kind == SLIDING_WINDOW then
    at = l.newest
  end
  if at - now > period then
    spend(l, now, l.capacity)
    return true
  end
  local ended = false
  if kind == TOKEN_BUCKET then
    if now > at then
      local rest = (now - at) % period
      local periods = (now - at - rest) / period
      if periods >= l.used / l.count then
        ended = true
      else
        l.used, l.at = l.used - periods * l.count, now - rest
        ended = l.used <= muldiv(l.count, rest, period)
      end
    end
  elseif kind == SLIDING_WINDOW then
    local pos = 1
    while l.used > 0 do
      local admitted, units = struct.unpack('>I7I5', l.log, pos)
      if admitted + period > now then
        break
      end
      l.used, l.alive, pos = l.used - units, l.alive - 1, pos + ADMISSION
    end
    ended = l.used == 0
    if pos > 1 then
      l.log = string.sub(l.log, pos)
    end
  elseif kind == SLIDING_COUNTER and now < at + 2 * period then
    if now >= at + period then
      l.at, l.prev, l.used = at + period, l.used, 0
      ended = l.prev == 0
    end
  else
    ended = now >= at + period
  end
  if ended then
    forget(l)
  end
  return false
end

-- used_at returns the whole units that count as used, rounded up, of a state advanced to now.
local function used_at(l, now)
  if l.kind == TOKEN_BUCKET then
    if l.used > 0 and now > l.at then
      return l.used - muldiv(l.count, now - l.at, l.period)
    end
  elseif l.kind == SLIDING_COUNTER and l.prev > 0 then
    local units, fraction = muldiv(l.prev, l.period - math.max(0, now - l.at), l.period)
    return l.used + units + math.min(fraction, 1)
  end
  return l.used
end

-- give takes units off that were charged, of a state that was advanced to now: the newest first, and no more than there
-- are. It returns whether there were any.
local function give(l, now, units)
  if l.used == 0 and l.prev == 0 then
    return false
  end
  while l.kind == SLIDING_WINDOW and units > 0 and l.used > 0 do
    local at, newest = struct.unpack('>I7I5', l.log, #l.log - ADMISSION + 1)
    local taken = math.min(units, newest)
    l.used, units, l.log = l.used - taken, units - taken, string.sub(l.log, 1, -ADMISSION - 1)
    if newest > taken then
      l.log = l.log .. struct.pack('>I7I5', at, newest - taken) -- what is left of it keeps its instant
    else
      l.alive = l.alive - 1
    end
  end
  local newest = math.min(units, l.used)
  l.used, l.prev = l.used - newest, math.max(0, l.prev - (units - newest)) -- only a sliding counter has something before
  if used_at(l, now) <= 0 then
    forget(l)
  elseif l.kind == SLIDING_WINDOW then
    l.newest = struct.unpack('>I7', l.log, #l.log - ADMISSION + 1)
  end
  return true
end

-- read_state reads the state behind the head of a limit, and returns where the next head begins.
local function read_state(l, value, pos)
  if l.kind == SLIDING_WINDOW then
    l.used, l.alive, pos = struct.unpack('>I5B', value, pos)
    l.log = string.sub(value, pos, pos + l.alive * ADMISSION - 1)
    l.newest = struct.unpack('>I7', l.log, #l.log - ADMISSION + 1)
    return pos + #l.log
  elseif l.kind == SLIDING_COUNTER then
    l.at, l.used, l.prev, pos = struct.unpack('>i7I5I5', value, pos)
  else
    l.at, l.used, pos = struct.unpack('>i7I5', value, pos)
  end
  return pos
end

local function write_state(l)
  if l.used == 0 and l.prev == 0 then
    return ''
  elseif l.kind == SLIDING_WINDOW then
    return l.head .. struct.pack('>I5B', l.used, l.alive) .. l.log
  elseif l.kind == SLIDING_COUNTER then
    return l.head .. struct.pack('>i7I5I5', l.at, l.used, l.prev)
  end
  return l.head .. struct.pack('>i7I5', l.at, l.used)
end

-- carry gives a limit the state that was written under its name: what was used stays used. It returns whether the state
-- had to be replaced, because it was written by numbers under which it means something else. The capacity is no such
-- number: a state says what was taken, not what is left.
local function carry(l, old, now)
  local same_pace = old.kind == l.kind and old.period == l.period
  local same_rule = same_pace and (l.kind ~= TOKEN_BUCKET or old.count == l.count)
  if not same_rule then
    old.capacity, old.ends = l.capacity, now + old.period
    advance(old, now)
  end
  if not same_pace then
    spend(l, now, used_at(old, now))
    return true
  end
  l.at, l.used, l.prev, l.log, l.alive, l.newest = old.at, old.used, old.prev, old.log, old.alive, old.newest
  if same_rule then
    return false
  end
  if l.used > 0 and now > l.at then
    local units, fraction = muldiv(old.count, now - l.at, l.period)
    l.used, l.at = l.used - units, now - math.floor(fraction / l.count)
  end
  return true
end
