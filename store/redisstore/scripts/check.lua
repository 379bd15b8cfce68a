-- Decides one check: all limits of a policy for one key, charged together or not at all.
--
-- KEYS[1]  the state of the key under the policy
-- ARGV[1]  the cost, in units
-- ARGV[2]  "1" for a peek, which takes nothing, else "0"
-- ARGV[3]  the limits: a record for each, as >Bc0 B I5 I4 I4: length and name, kind, period (ms), count, capacity
-- ARGV[4]  an instant in microseconds since the epoch, only from tests; empty: the server's clock
--
-- Returns a string: for each limit >B I7 I7 I4: allowed (1 or 0), retry after and reset after (microseconds), remaining.
-- A retry after of 2^53 means never.
--
-- The value of KEYS[1] is described in docs/redis-keys.md. All instants and spans are in microseconds. A Lua number
-- counts exactly up to 2^53, which is the year 2255; products beyond it are made in parts, by muldiv.

local SLIDING_WINDOW, TOKEN_BUCKET, FIXED_WINDOW, SLIDING_COUNTER, ALIGNED_WINDOW = 16, 17, 18, 19, 20
local FOREVER = 9007199254740991
local NEVER = FOREVER + 1
local EXACT_ADMISSIONS, MOST_ADMISSIONS = 64, 76
local ADMISSION = 12 -- bytes of one, as >I7I5: instant, units

local floor, max, min = math.floor, math.max, math.min
local pack, unpack = struct.pack, struct.unpack

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
    local digit = floor(a / scale)
    a = a - digit * scale
    local part = rest * 128 + digit * b
    rest = part % m
    quotient = quotient * 128 + (part - rest) / m
    scale = scale / 128
  end
  return quotient, rest
end

local function muldiv_up(a, b, m)
  local quotient, rest = muldiv(a, b, m)
  if rest > 0 then
    quotient = quotient + 1
  end
  return quotient
end

-- A state is a table {at, used, prev, log, alive, newest}; used = 0 and prev = 0 is a key never seen. For what at, used
-- and prev mean see the package algorithm. log holds the bytes of the alive admissions, oldest first; alive is their
-- number, and newest the instant of the last.

local function fresh()
  return {at = 0, used = 0, prev = 0, log = '', alive = 0, newest = 0}
end

local function is_fresh(s)
  return s.used == 0 and s.prev == 0
end

-- log_take adds an admission; see algorithm/slidingwindow.go.
local function log_take(s, l, now, units)
  local at = max(now, s.newest)
  local width = floor(l.period / EXACT_ADMISSIONS)
  s.used = s.used + units
  local joins = s.alive > 0 and (at == s.newest
    or (s.alive >= EXACT_ADMISSIONS and floor(at / width) == floor(s.newest / width)))
  if joins then
    local _, before = unpack('>I7I5', s.log, #s.log - ADMISSION + 1)
    s.log = string.sub(s.log, 1, -ADMISSION - 1) .. pack('>I7I5', at, before + units)
    s.newest = at
    return
  end
  if s.alive == MOST_ADMISSIONS then
    local joined, last_at, last_units = {}, nil, nil
    for pos = 1, #s.log, ADMISSION do
      local entry_at, entry_units = unpack('>I7I5', s.log, pos)
      if last_at and floor(last_at / width) == floor(entry_at / width) then
        last_units = last_units + entry_units
      else
        if last_at then
          joined[#joined + 1] = pack('>I7I5', last_at, last_units)
        end
        last_units = entry_units
      end
      last_at = entry_at
    end
    joined[#joined + 1] = pack('>I7I5', last_at, last_units)
    s.log, s.alive = table.concat(joined), #joined
  end
  s.log = s.log .. pack('>I7I5', at, units)
  s.alive = s.alive + 1
  s.newest = at
end

local function take(s, l, now, units)
  if l.kind == SLIDING_WINDOW then
    log_take(s, l, now, units)
    return
  end
  if is_fresh(s) then
    s.at = now
    if l.kind == ALIGNED_WINDOW or l.kind == SLIDING_COUNTER then
      s.at = now - now % l.period
    end
  end
  s.used = s.used + units
end

-- spent returns a state in which so many units are used at now.
local function spent(l, now, units)
  local s = fresh()
  if units > 0 then
    take(s, l, now, units)
  end
  return s
end

-- advance brings a state to now. The second result says that the state came from so far ahead that it was replaced.
local function advance(s, l, now)
  local period = l.period
  if is_fresh(s) then
    return s, false
  end
  local instant = s.at
  if l.kind == SLIDING_WINDOW then
    instant = s.newest
  end
  if instant - now > period then
    return spent(l, now, l.capacity), true
  end
  if l.kind == TOKEN_BUCKET then
    if now > s.at then
      local rest = (now - s.at) % period
      local periods = (now - s.at - rest) / period
      if periods >= s.used / l.count then
        return fresh(), false
      end
      s.used = s.used - periods * l.count
      s.at = now - rest
      if s.used <= muldiv(l.count, rest, period) then
        return fresh(), false
      end
    end
  elseif l.kind == SLIDING_WINDOW then
    local pos = 1
    while s.used > 0 do
      local at, units = unpack('>I7I5', s.log, pos)
      if at + period > now then
        break
      end
      s.used = s.used - units
      s.alive = s.alive - 1
      pos = pos + ADMISSION
    end
    if s.used == 0 then
      return fresh(), false
    end
    if pos > 1 then
      s.log = string.sub(s.log, pos)
    end
  elseif l.kind == SLIDING_COUNTER then
    if now >= s.at + 2 * period then
      return fresh(), false
    elseif now >= s.at + period then
      s.at, s.prev, s.used = s.at + period, s.used, 0
    end
  elseif now >= s.at + period then
    return fresh(), false
  end
  return s, false
end

-- used_at returns the whole units that count as used, rounded up, of a state advanced to now.
local function used_at(s, l, now)
  if l.kind == TOKEN_BUCKET then
    if s.used > 0 and now > s.at then
      return s.used - muldiv(l.count, now - s.at, l.period)
    end
  elseif l.kind == SLIDING_COUNTER then
    if s.prev > 0 then
      return s.used + muldiv_up(s.prev, l.period - max(0, now - s.at), l.period)
    end
  end
  return s.used
end

-- carry turns a state advanced to now by old numbers into one of new ones: what was used stays used.
local function carry(s, old, l, now)
  if is_fresh(s) then
    return s
  end
  if old.kind ~= l.kind or old.period ~= l.period then
    return spent(l, now, used_at(s, old, now))
  end
  if l.kind == TOKEN_BUCKET and now > s.at then
    local units, fraction = muldiv(old.count, now - s.at, old.period)
    s.used = s.used - units
    s.at = now - floor(fraction / l.count)
  end
  return s
end

-- earn_time returns how long a bucket takes, from now, to have so many of its missing units back. One of them is partly
-- earned already.
local function earn_time(s, l, now, missing)
  local before, earned, fraction = max(0, s.at - now), 0, 0
  if now > s.at then
    earned, fraction = muldiv(l.count, now - s.at, l.period)
  end
  local whole, rest = muldiv(missing - earned - 1, l.period, l.count)
  return before + whole + muldiv_up(1, rest + l.period - fraction, l.count)
end

-- reset_in returns in how long a state reads like a key never seen.
local function reset_in(s, l, now)
  if is_fresh(s) then
    return 0
  end
  if l.kind == TOKEN_BUCKET then
    return earn_time(s, l, now, s.used)
  elseif l.kind == SLIDING_WINDOW then
    return s.newest - now + l.period
  elseif l.kind == SLIDING_COUNTER and s.used > 0 then
    return s.at - now + 2 * l.period
  end
  return s.at - now + l.period
end

-- retry_in returns in how long a cost fits that does not fit now.
local function retry_in(s, l, now, cost)
  if l.kind == TOKEN_BUCKET then
    return earn_time(s, l, now, s.used + cost - l.capacity)
  elseif l.kind == SLIDING_WINDOW then
    local needed, pos, at = s.used + cost - l.capacity, 1, 0
    while needed > 0 do
      local units
      at, units = unpack('>I7I5', s.log, pos)
      needed = needed - units
      pos = pos + ADMISSION
    end
    return at - now + l.period
  elseif l.kind == SLIDING_COUNTER then
    local following = s.at - now + l.period
    local room = l.capacity - s.used - cost
    if room >= 0 then
      return following - muldiv(room, l.period, s.prev)
    end
    room = l.capacity - cost
    if s.used <= room then
      return following
    end
    return following + l.period - muldiv(room, l.period, s.used)
  end
  return s.at - now + l.period
end

-- read_limits unpacks ARGV[3].
local function read_limits(bytes)
  local limits, pos = {}, 1
  while pos <= #bytes do
    local l = {}
    l.name, l.kind, l.period, l.count, l.capacity, pos = unpack('>Bc0BI5I4I4', bytes, pos)
    l.period = l.period * 1000
    limits[#limits + 1] = l
  end
  return limits
end

-- read_states unpacks the value of the key: by the name of the limit, its state and the numbers that wrote it.
local function read_states(bytes)
  local records, pos = {}, 1
  while pos <= #bytes do
    local r, s = {}, fresh()
    local name
    name, r.kind, r.period, r.count, pos = unpack('>Bc0BI5I4', bytes, pos)
    r.period = r.period * 1000
    r.state = s
    if r.kind == SLIDING_WINDOW then
      s.used, s.alive, pos = unpack('>I5B', bytes, pos)
      s.log = string.sub(bytes, pos, pos + s.alive * ADMISSION - 1)
      pos = pos + s.alive * ADMISSION
      s.newest = unpack('>I7', s.log, #s.log - ADMISSION + 1)
    elseif r.kind == SLIDING_COUNTER then
      s.at, s.used, s.prev, pos = unpack('>I7I5I5', bytes, pos)
    elseif r.kind == TOKEN_BUCKET or r.kind == FIXED_WINDOW or r.kind == ALIGNED_WINDOW then
      s.at, s.used, pos = unpack('>I7I5', bytes, pos)
    else
      error('unknown kind')
    end
    records[name] = r
  end
  return records
end

local function write_state(s, l)
  if is_fresh(s) then
    return ''
  end
  local head = pack('>Bc0BI5I4', #l.name, l.name, l.kind, l.period / 1000, l.count)
  if l.kind == SLIDING_WINDOW then
    return head .. pack('>I5B', s.used, s.alive) .. s.log
  elseif l.kind == SLIDING_COUNTER then
    return head .. pack('>I7I5I5', s.at, s.used, s.prev)
  end
  return head .. pack('>I7I5', s.at, s.used)
end

local key, cost, peek = KEYS[1], tonumber(ARGV[1]), ARGV[2] == '1'
local limits = read_limits(ARGV[3])
local now = tonumber(ARGV[4])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end

local value = redis.call('GET', key)
local records = {}
if value then
  local ok
  ok, records = pcall(read_states, value)
  if not ok then
    return redis.error_reply('BADSTATE the value of the key ' .. key .. ' is not a state that this version of Sluice writes; delete the key')
  end
end

-- Look.
local states, replaced, allowed = {}, false, true
for i, l in ipairs(limits) do
  local s, record, ahead = fresh(), records[l.name], false
  if record then
    s = record.state
    if record.kind ~= l.kind or record.period ~= l.period or record.count ~= l.count then
      record.capacity = l.capacity
      s = carry(advance(s, record, now), record, l, now)
      replaced = true
    end
    s, ahead = advance(s, l, now)
    replaced = replaced or ahead
  end
  states[i] = s
  allowed = allowed and used_at(s, l, now) + cost <= l.capacity
end

-- Charge, and say what each limit says.
local charge = allowed and cost > 0 and not peek
local reply, written, longest = {}, {}, 0
for i, l in ipairs(limits) do
  local s = states[i]
  if charge then
    take(s, l, now, cost)
  end
  local used = used_at(s, l, now)
  local fits = charge or used + cost <= l.capacity
  local retry = 0
  if not fits then
    if cost > l.capacity then
      retry = NEVER
    else
      retry = min(retry_in(s, l, now, cost), FOREVER)
    end
  end
  local reset = min(reset_in(s, l, now), FOREVER)
  longest = max(longest, reset)
  reply[i] = pack('>BI7I7I4', fits and 1 or 0, retry, reset, min(max(0, l.capacity - used), 4294967295))
  if charge or replaced then
    written[i] = write_state(s, l)
  end
end

-- Write. A key lives until its state means nothing any more, rounded up.
local life = math.ceil(longest / 1000)
if ARGV[4] ~= '' and life > 0 then
  life = life + 3600000 -- the test's clock stands still while Redis's runs
end
if charge or replaced then
  if life > 0 then
    redis.call('SET', key, table.concat(written), 'PX', string.format('%.0f', life))
  elseif value then
    redis.call('DEL', key)
  end
elseif value and redis.call('PTTL', key) == -1 then -- a key that somebody made immortal
  redis.call('PEXPIRE', key, string.format('%.0f', life))
end
return table.concat(reply)
