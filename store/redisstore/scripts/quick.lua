-- Decides checks of one or more keys, one after the other: each charges all limits of its policy or none. This is the end
-- of the script, and what most checks are decided by; check.lua decides all others.
--
-- KEYS           first the states of callers' keys under policies; then, in the same order, their standings
-- ARGV[1]        an instant in microseconds since the epoch, only from tests; empty: the server's clock
-- ARGV[2]        what is asked of the keys, in their order: >I2I2BI2, how many keys in a row are asked the same, the number
--                of their policy, 1 where the call has a key before that shares state or standing with them, and how many
--                runs follow: >I2I4B, so many equal checks, their cost, and 1 for a peek, which takes nothing, plus 2
--                where a refusal does not count towards the penalty
-- ARGV[2+n]      policy number n: >I7I4, the instant from which on it decides nothing any more, and the refusals that
--                begin a penalty; unless these are 0, >I5I5I5, within how many ms, and how many ms the first and the
--                longest block last; then for each limit its head, >Bc0BI5I4 (length and name, kind, period in ms, count),
--                >I4, its capacity, and of a calendar window >i7i7i7i7, the edges of three windows of which the second should
--                hold now; where none does, the answer is the error OUTSIDE with the instant, and nothing was done
--
-- Returns a list that begins with a string: >I7, the instant, and for each key in order what it was before this call, from
-- which the caller reckons what each check is answered:
--
--   0                       it was never seen, or all is forgotten
--   1 to 63                 the value, of one limit that keeps an instant and units
--   253                     for each limit >i7I5, its instant (of a sliding window, the newest admission's) and its units,
--                           brought to the instant; all checks of the key were allowed
--   254                     >I2 and the value, of so many bytes, of limits that keep an instant and units each
--   255                     the next of the other parts of the list is the answer for the key; see check.lua
--
-- The values of a key are described in docs/redis-keys.md.

local now, clock = tonumber(ARGV[1]), redis.call('TIME')
local born = clock[1] * 1000 + (clock[2] - clock[2] % 1000) / 1000 -- from when lives are counted, in ms
if now then
  born = born + 3600000 -- a test's clock stands still while Redis's runs
else
  now = clock[1] * 1000000 + clock[2]
end

-- MGET tells nothing of a value of another type: where it would be written over, SET is told not to. EXISTS counts those,
-- too, and most calls have no key with a standing.
local keys = #KEYS / 2
local values, standings
if keys == 1 then
  values = {redis.pcall('GET', KEYS[1])}
  if type(values[1]) == 'table' then
    values[1] = '?' -- an error, which others will meet again
  end
  standings = redis.pcall('EXISTS', KEYS[2])
else
  values = redis.pcall('MGET', unpack(KEYS, 1, keys))
  if values.err then
    return values
  end
  standings = redis.pcall('EXISTS', unpack(KEYS, keys + 1))
end
if type(standings) == 'table' then
  return standings -- an error
end

local decide, muldiv -- of check.lua and limits.lua, once they are needed

-- divide is muldiv, for products that are too great to be made at once.
local function divide(a, b, m)
  if not decide then
    decide, muldiv = whole(now, born)
  end
  return muldiv(a, b, m)
end

-- prepare reads a policy. It has no limits where they are to be read by others: one that must not decide any more, or one
-- with a limit that is not among those that most have.
local function prepare(bytes)
  local policy, limits, sliding, room = {answer = ''}, {}, false, FOREVER
  local before, after, pos = struct.unpack('>I7I4', bytes)
  if now >= before then
    return policy
  end
  policy.penalty = after > 0
  pos = after > 0 and pos + 15 or pos
  while pos <= #bytes do
    local size = string.byte(bytes, pos) + 11
    local kind, period, count, capacity, following = struct.unpack('>BI5I4I4', bytes, pos + size - 10)
    if kind == SLIDING_COUNTER or kind == CALENDAR_WINDOW then
      return policy
    end
    period = period * 1000
    limits[#limits + 1] = {
      head = string.sub(bytes, pos, pos + size - 1), size = size, kind = kind, period = period, count = count,
      capacity = capacity, format = '>c' .. size .. 'i7I5', at = 0, used = 0, earned = 0, fraction = 0,
      even = (period - period % count) / count, odd = period % count, alive = 0, first = 0, last = 0,
    }
    sliding = sliding or kind == SLIDING_WINDOW
    room = capacity < room and capacity or room
    pos = following
  end
  policy.limits, policy.room, policy.sliding = limits, room, sliding
  return policy
end

-- read reads the state of a limit behind its head and brings it to now. It returns where the next head begins, or nil
-- where others must look at it.
local function read(l, value, pos)
  local kind, period = l.kind, l.period
  if kind == SLIDING_WINDOW then
    if pos + 17 > #value then
      return nil
    end
    local used, alive, first = struct.unpack('>I5B', value, pos)
    local following = first + alive * 12
    if alive == 0 or following > #value + 1 then
      return nil
    end
    local newest, at, units = struct.unpack('>I7', value, following - 12), nil, nil
    if newest - now > period then
      return nil
    end
    at, units = struct.unpack('>I7I5', value, first)
    while at + period <= now do
      used, alive, first = used - units, alive - 1, first + 12
      if first == following then
        break
      end
      at, units = struct.unpack('>I7I5', value, first)
    end
    if (used > 0) ~= (alive > 0) then
      return nil
    end
    l.at, l.used, l.alive, l.first, l.last = newest, used, alive, first, following
    return following
  end
  if pos + 11 > #value then
    return nil
  end
  local at, used, following = struct.unpack('>i7I5', value, pos)
  if used == 0 or at - now > period then
    return nil
  end
  if kind == TOKEN_BUCKET then
    local count, since = l.count, now - at
    l.earned, l.fraction = 0, 0
    if since > 0 then
      if since >= period then
        local rest = since % period
        local periods = (since - rest) / period
        if periods >= used / count then
          used = 0
        else
          used, at, since = used - periods * count, now - rest, rest
        end
      end
      local product, earned, fraction = since * count, nil, nil
      if product < FOREVER then
        fraction = product % period
        earned = (product - fraction) / period
      else
        earned, fraction = divide(count, since, period)
      end
      if earned >= used then
        used, earned, fraction = 0, 0, 0
      end
      l.earned, l.fraction = earned, fraction
    end
  elseif now >= at + period then
    used = 0
  end
  l.at, l.used = at, used
  return following
end

-- charge adds units to the state of a limit. It returns its part of the value, and how long it means something; or nil.
local function charge(l, value, units)
  local kind, period, at, used = l.kind, l.period, l.at, l.used
  if kind == TOKEN_BUCKET then
    local count, before, earned, fraction = l.count, 0, 0, 0
    if used == 0 then
      at = now
    elseif at > now then
      before = at - now
    else
      earned, fraction = l.earned, l.fraction
    end
    used = used + units
    local missing = used - earned - 1
    local product, ticks, rest = missing * l.odd, nil, nil
    if product < FOREVER then
      rest = product % count
      ticks = missing * l.even + (product - rest) / count
    else
      ticks, rest = divide(missing, period, count)
    end
    local last = rest + period - fraction + count - 1
    return struct.pack(l.format, l.head, at, used), before + ticks + (last - last % count) / count
  elseif kind ~= SLIDING_WINDOW then
    if used == 0 then
      at = kind == ALIGNED_WINDOW and now - now % period or now
    end
    return struct.pack(l.format, l.head, at, used + units), at - now + period
  end
  if used == 0 then
    return l.head .. struct.pack('>I5BI7I5', units, 1, now, units), period
  end
  local newest, alive, width = at, l.alive, (period - period % EXACT_ADMISSIONS) / EXACT_ADMISSIONS
  at = now > newest and now or newest
  local kept
  if at == newest or alive >= EXACT_ADMISSIONS and at - at % width == newest - newest % width then
    kept, used, units = string.sub(value, l.first, l.last - 13), used + units, units + struct.unpack('>I5', value, l.last - 5)
  elseif alive == MOST_ADMISSIONS then
    return nil
  else
    kept, used, alive = string.sub(value, l.first, l.last - 1), used + units, alive + 1
  end
  return l.head .. struct.pack('>I5B', used, alive) .. kept .. struct.pack('>I7I5', at, units), at - now + period
end

-- settle decides what is asked of a key by some runs of the plan, and writes its state. It returns what it was, or nil
-- where others must decide, and then nothing was written; or an error.
local function settle(policy, i, plan, from, pos)
  local limits, value, room, place = policy.limits, values[i], policy.room, 1
  if value then
    for n = 1, #limits do
      local l = limits[n]
      l.used, l.earned = 0, 0
      if string.find(value, l.head, place, true) == place then
        place = read(l, value, place + l.size)
        if not place then
          return nil
        end
        local left = l.capacity - l.used + l.earned
        room = left < room and left or room
      end
    end
    if place ~= #value + 1 then
      return nil
    end
  else
    for n = 1, #limits do
      local l = limits[n]
      l.used, l.earned = 0, 0
    end
  end

  local taken = 0
  for run = from, pos, 7 do
    local times, cost, how = struct.unpack('>I2I4B', plan, run)
    local fit = times
    if cost * times > room - taken then
      if policy.sliding or policy.penalty then
        return nil
      end
      fit = cost > 0 and math.max(0, math.floor((room - taken) / cost)) or 0
    end
    if how % 2 == 0 then
      taken = taken + fit * cost
    end
  end

  if taken > 0 then
    local written, longest = '', 0
    for n = 1, #limits do
      local state, life = charge(limits[n], value, taken)
      if not state then
        return nil
      end
      written = n == 1 and state or written .. state
      longest = life > longest and life or longest
    end
    local life = (longest < FOREVER and longest or FOREVER) + 999 -- rounded up
    local expires = string.format('%d', born + (life - life % 1000) / 1000)
    local done
    if value then
      done = redis.pcall('SET', KEYS[i], written, 'PXAT', expires)
    else
      done = redis.pcall('SET', KEYS[i], written, 'PXAT', expires, 'NX')
    end
    if not done then
      return nil -- there is a value of another type
    elseif done.err then
      return done
    end
  elseif not value then
    return nil -- there may be a value of another type
  else
    local left = redis.pcall('PTTL', KEYS[i])
    if type(left) == 'table' then
      return left -- an error
    elseif left == -1 then
      return nil -- somebody made the key immortal
    end
  end

  if not value or value == '' then
    return '\0'
  elseif policy.sliding then
    local was = '\253'
    for n = 1, #limits do
      was = was .. struct.pack('>i7I5', limits[n].at, limits[n].used)
    end
    return was
  elseif #limits > 1 then
    return '\254' .. struct.pack('>I2', #value) .. value
  end
  return value
end

local answers, others, policies = {struct.pack('>I7', now)}, {''}, {}
local plan, pos, i = ARGV[2], 1, 0
while pos <= #plan do
  local same, number, again, runs, from = struct.unpack('>I2I2BI2', plan, pos)
  pos = from + 7 * runs
  local policy = policies[number]
  if not policy then
    policy = prepare(ARGV[2 + number])
    policies[number] = policy
  end
  for k = i + 1, i + same do
    local answer
    if policy.limits and again == 0 and (standings == 0 or redis.pcall('EXISTS', KEYS[keys + k]) == 0) then
      answer = settle(policy, k, plan, from, pos - 1)
    end
    if not answer then
      if not decide then
        decide, muldiv = whole(now, born)
      end
      answer = decide(KEYS[k], KEYS[keys + k], number, plan, from, pos - 1)
      others[#others + 1] = answer
      answer = '\255'
    elseif type(answer) == 'table' then
      others[#others + 1] = answer
      answer = '\255'
    end
    answers[k + 1] = answer
  end
  i = i + same
end
others[1] = table.concat(answers)
return others
