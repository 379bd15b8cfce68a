-- Decides checks of one or more keys, one after the other: each charges all limits of its policy or none.
--
-- KEYS[i]        the state of a caller's key under a policy
-- ARGV[1]        an instant in microseconds since the epoch, only from tests; empty: the server's clock
-- ARGV[1+i]      what is asked of KEYS[i], in order: >I2, the number of its limits, then for each check >I4B, the cost and
--                1 for a peek, which takes nothing, or 0
-- ARGV[1+#KEYS+n] limits number n: for each its head, >Bc0BI5I4 (length and name, kind, period in ms, count), and >I4, its
--                capacity
--
-- Returns for each key an error or a string: for each check, for each limit, >I7I7I4: retry after (microseconds; 0 where
-- the limit allows, 2^53 for never), reset after (microseconds), remaining.
--
-- The value of a key is described in docs/redis-keys.md. All instants and spans are in microseconds. A Lua number counts
-- exactly up to 2^53, which is the year 2255; products beyond it are made in parts, by muldiv.

-- Constants stand in the script as numbers when it is sent, and functions of libraries are called by their full names:
-- whatever a function captures is paid for at every call, and a lone check calls few.
local SLIDING_WINDOW, TOKEN_BUCKET, FIXED_WINDOW, SLIDING_COUNTER, ALIGNED_WINDOW = 16, 17, 18, 19, 20
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

-- earn_time returns how long a bucket takes, from now, to have so many of its missing units back. One of them is partly
-- earned already.
local function earn_time(l, now, missing)
  local before, earned, fraction = math.max(0, l.at - now), 0, 0
  if now > l.at then
    earned, fraction = muldiv(l.count, now - l.at, l.period)
  end
  local whole, rest = muldiv(missing - earned - 1, l.period, l.count)
  return before + whole + math.ceil((rest + l.period - fraction) / l.count)
end

-- reset_in returns in how long the state reads like a key never seen.
local function reset_in(l, now)
  if l.used == 0 and l.prev == 0 then
    return 0
  elseif l.kind == TOKEN_BUCKET then
    return earn_time(l, now, l.used)
  elseif l.kind == SLIDING_WINDOW then
    return l.newest - now + l.period
  elseif l.kind == SLIDING_COUNTER and l.used > 0 then
    return l.at - now + 2 * l.period
  end
  return l.at - now + l.period
end

-- retry_in returns in how long a cost fits that does not fit now.
local function retry_in(l, now, cost)
  if cost > l.capacity then
    return NEVER
  elseif l.kind == TOKEN_BUCKET then
    return math.min(earn_time(l, now, l.used + cost - l.capacity), FOREVER)
  elseif l.kind == SLIDING_WINDOW then
    local needed, pos, at = l.used + cost - l.capacity, 1, 0
    while needed > 0 do
      local units
      at, units = struct.unpack('>I7I5', l.log, pos)
      needed, pos = needed - units, pos + ADMISSION
    end
    return at - now + l.period
  elseif l.kind == SLIDING_COUNTER then
    local following = l.at - now + l.period
    local room = l.capacity - l.used - cost
    if room >= 0 then
      return following - muldiv(room, l.period, l.prev)
    end
    room = l.capacity - cost
    if l.used <= room then
      return following
    end
    return following + l.period - muldiv(room, l.period, l.used)
  end
  return l.at - now + l.period
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

-- read_limits reads the limits that ARGV[at] describes.
local function read_limits(at)
  local bytes, limits, pos = ARGV[at], {}, 1
  while pos <= #bytes do
    local name_end = pos + string.byte(bytes, pos)
    local kind, period, count, capacity, following = struct.unpack('>BI5I4I4', bytes, name_end + 1)
    limits[#limits + 1] = {
      head = string.sub(bytes, pos, following - 5),
      kind = kind, period = period * 1000, count = count, capacity = capacity,
      at = 0, used = 0, prev = 0,
    }
    pos = following
  end
  return limits
end

-- read_other reads a value that other limits have written than those that are asked: by name, their states.
local function read_other(value)
  local others, pos = {}, 1
  while pos <= #value do
    local l = {at = 0, prev = 0}
    local name
    name, l.kind, l.period, l.count, pos = struct.unpack('>Bc0BI5I4', value, pos)
    if l.kind < SLIDING_WINDOW or l.kind > ALIGNED_WINDOW then
      error('kind')
    end
    l.period = l.period * 1000
    pos = read_state(l, value, pos)
    others[name] = l
  end
  return others
end

-- carry gives a limit the state that was written under its name: what was used stays used. It returns whether the state
-- had to be replaced, because it was written by numbers under which it means something else. The capacity is no such
-- number: a state says what was taken, not what is left.
local function carry(l, old, now)
  local same_pace = old.kind == l.kind and old.period == l.period
  local same_rule = same_pace and (l.kind ~= TOKEN_BUCKET or old.count == l.count)
  if not same_rule then
    old.capacity = l.capacity
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

-- read gives the limits the states of a value, at now. It returns whether one had to be replaced. Where the limits are
-- those that wrote the value, their states stand in it one after the other.
local function read(limits, value, now)
  local replaced, place = false, 1
  for n = 1, #limits do
    local l = limits[n]
    forget(l)
    if place and place <= #value then
      local head = #l.head
      if string.sub(value, place, place + head - 1) == l.head then
        place = read_state(l, value, place + head)
      else
        place = nil
      end
    end
  end
  if place ~= #value + 1 then
    local others = read_other(value)
    for n = 1, #limits do
      local l = limits[n]
      local name = string.sub(l.head, 2, 1 + string.byte(l.head))
      forget(l)
      if others[name] then
        replaced = carry(l, others[name], now) or replaced
      end
    end
  end
  for n = 1, #limits do
    local l = limits[n]
    replaced = advance(l, now) or replaced
  end
  return replaced
end

-- ask decides one check. It returns what each limit says, whether the cost was charged, and the longest reset after.
local function ask(limits, now, cost, peek)
  local allowed = true
  for n = 1, #limits do
    local l = limits[n]
    allowed = allowed and used_at(l, now) + cost <= l.capacity
  end
  local charge = allowed and cost > 0 and not peek
  local reply, longest = nil, 0
  for n = 1, #limits do
    local l = limits[n]
    if charge then
      take(l, now, cost)
    end
    local used, retry, reset = used_at(l, now), 0, math.min(reset_in(l, now), FOREVER)
    if not charge and used + cost > l.capacity then
      retry = retry_in(l, now, cost)
    end
    local says = struct.pack('>I7I7I4', retry, reset, math.max(0, l.capacity - used))
    reply = reply and reply .. says or says
    longest = math.max(longest, reset)
  end
  return reply, charge, longest
end

-- try decides what is asked of a key with this value, and writes nothing. It returns the replies, whether the states have
-- changed, and the longest reset after.
local function try(limits, value, asked, now)
  local changed = read(limits, value, now)
  local replies, longest
  for pos = 3, #asked, 5 do
    local cost, peek = struct.unpack('>I4B', asked, pos)
    local reply, charged
    reply, charged, longest = ask(limits, now, cost, peek == 1)
    replies = replies and replies .. reply or reply
    changed = changed or charged
  end
  return replies, changed, longest
end

-- decide decides what is asked of a key, with one read and one write. Whatever is wrong with one key is an error of that
-- key alone, and writing is the last thing that can go wrong.
local function decide(key, limits, asked, now)
  local value = redis.pcall('GET', key)
  if type(value) == 'table' then
    return value -- an error
  end
  local ok, replies, changed, longest = pcall(try, limits, value or '', asked, now)
  if not ok then
    return redis.error_reply('BADSTATE the value is not one that this version of Sluice writes; reset or delete the key')
  end

  -- A key lives until its state means nothing any more, rounded up.
  local life = math.ceil(longest / 1000)
  if life > 0 and ARGV[1] ~= '' then
    life = life + 3600000 -- a test's clock stands still while Redis's runs
  end
  local written
  if changed and life > 0 then
    local states
    for n = 1, #limits do
      local state = write_state(limits[n])
      states = states and states .. state or state
    end
    written = redis.pcall('SET', key, states, 'PX', life)
  elseif changed and value then
    written = redis.pcall('DEL', key)
  elseif value then
    written = redis.pcall('PTTL', key)
    if written == -1 then -- a key that somebody made immortal
      written = redis.pcall('PEXPIRE', key, life)
    end
  end
  if type(written) == 'table' and written.err then
    return written
  end
  return replies
end

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local limits, results = {}, {}
for i, key in ipairs(KEYS) do
  local asked = ARGV[1 + i]
  local number = struct.unpack('>I2', asked)
  limits[number] = limits[number] or read_limits(1 + #KEYS + number)
  results[i] = decide(key, limits[number], asked, now)
end
return results
