-- Decides checks of one or more keys, one after the other: each charges all limits of its policy or none. This is the end
-- of the script, and what most checks are decided by; check.lua decides all others.
--
-- KEYS           first the states of callers' keys under policies; then, in the same order, their standings
-- ARGV[1]        an instant in microseconds since the epoch, only from tests; empty: the server's clock
-- ARGV[2]        what is asked of the keys, in their order: >I2I2BI2, how many keys in a row are asked the same, the number
--                of their policy, 1 where the call has a key before that shares state or standing with them, and how many
--                runs follow: >I2I4B, so many equal checks, their cost, and 1 for a peek, which takes nothing, plus 2
--                where a refusal does not count towards the penalty; or no check: 0, and how many refusals elsewhere count
--                before the next one, and 4, or how many units are given back before it, and 8
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

local LONG = 64

local call, packed, unpacked, sub, format = redis.pcall, struct.pack, struct.unpack, string.sub, string.format
local now, clock = tonumber(ARGV[1]), call('TIME')
local born = clock[1] * 1000 + (clock[2] - clock[2] % 1000) / 1000 -- from when lives are counted, in ms
if now then
  born = born + 3600000 -- a test's clock stands still while Redis's runs
else
  now = clock[1] * 1000000 + clock[2]
end

-- MGET tells nothing of a value of another type: where it would be written over, SET is asked what it replaces. EXISTS
-- counts those, too, and most calls have no key with a standing.
local names, keys, plan = KEYS, #KEYS / 2, ARGV[2]
local values, standings
if keys == 1 then
  values = {call('GET', names[1])}
  if type(values[1]) == 'table' then
    values[1] = '?' -- an error, which others will meet again
  end
  standings = call('EXISTS', names[2])
else
  values = call('MGET', unpack(names, 1, keys))
  if values.err then
    return values
  end
  standings = call('EXISTS', unpack(names, keys + 1))
end
if type(standings) == 'table' then
  return standings -- an error
end

local answers, others, late = values, nil, nil -- what a key was takes the place of what was read of it
local decide, muldiv -- of check.lua and limits.lua, once they are needed

-- Most calls ask by one policy that is a token bucket. They are decided here, by what else stands in bucket below: a
-- function would have to be made in each call, and costs more than what it does. Keys that others must look at come late.
local simple = false
if #ARGV == 3 and standings == 0 then
  local bytes = ARGV[3]
  local before, after, size = unpacked('>I7I4B', bytes)
  size = size + 11
  if #bytes == 15 + size and string.byte(bytes, size + 2) == TOKEN_BUCKET and after == 0 and now < before then
    simple = true
    local head = sub(bytes, 12, 11 + size)
    local period, count, capacity = unpacked('>I5I4I4', bytes, size + 3)
    period = period * 1000
    local full, layout = size + 12, '>c' .. size .. 'i7I5'
    local even, odd = (period - period % count) / count, period % count
    local expires, expiry

    local pos, i = 1, 0
    while pos <= #plan do
      local same, _, _, runs, from = unpacked('>I2I2BI2', plan, pos)
      local times, cost, how = unpacked('>I2I4B', plan, from)
      local asked, peek, passed = times * cost, how % 2 == 1, runs > 1 or how >= 4
      pos = from + 7 * runs

      for k = i + 1, i + same do
        local value = values[k]
        local at, used, since, earned, fraction, found = now, 0, 0, 0, 0, head
        local answer = '\0'
        if value then
          answer = nil
          if #value == full then
            found, at, used = unpacked(layout, value)
            since = now - at
            if found == head and used > 0 and since >= -period then
              answer = value
              if since >= period then
                local rest = since % period
                used, at, since = used - (since - rest) / period * count, now - rest, rest
              end
              if since > 0 and used > 0 then
                local product = since * count
                if product < FOREVER then
                  fraction = product % period
                  earned = (product - fraction) / period
                else
                  if not decide then
                    decide, muldiv = whole(now, born)
                  end
                  earned, fraction = muldiv(count, since, period)
                end
              end
              if earned >= used then
                at, used, since, earned, fraction = now, 0, 0, 0, 0
              end
            end
          end
        end

        local taken = asked
        if passed then
          answer = nil
        elseif taken > capacity - used + earned then
          local room = capacity - used + earned
          taken = cost > 0 and room >= cost and room - room % cost or 0
        end
        if answer and taken > 0 and not peek then
          local missing, ticks, rest = used + taken - earned - 1, nil, nil
          local product = missing * odd
          if product < FOREVER then
            rest = product % count
            ticks = missing * even + (product - rest) / count
          else
            if not decide then
              decide, muldiv = whole(now, born)
            end
            ticks, rest = muldiv(missing, period, count)
          end
          rest = rest + period - fraction + count - 1
          ticks = ticks + (rest - rest % count) / count
          if since < 0 then
            ticks = ticks - since
          end
          if ticks > FOREVER then
            ticks = FOREVER
          end
          ticks = ticks + 999 -- rounded up to ms
          local ends = born + (ticks - ticks % 1000) / 1000
          if ends ~= expires then -- many keys of a call have taken as much, and their lives end as one
            expires, expiry = ends, format('%d', ends)
          end
          local was = call('SET', names[k], packed(layout, head, at, used + taken), 'PXAT', expiry, 'GET')
          if was ~= value then -- there is a value of another type, or Redis has refused
            answer = nil
          end
        elseif not value then
          answer = nil -- there may be a value of another type
        elseif answer then
          local left = call('PTTL', names[k])
          if left == -1 or type(left) == 'table' then
            answer = nil -- somebody made the key immortal
          end
        end
        if not answer then
          late = late or {}
          late[#late + 1] = {k, from, pos - 1}
        end
        answers[k] = answer or '\255'
      end
      i = i + same
    end
  end
end

if late then
  decide, muldiv = whole(now, born)
  others = {''}
  for n = 1, #late do
    local k = late[n][1]
    others[n + 1] = decide(names[k], names[keys + k], 1, plan, late[n][2], late[n][3])
  end
elseif not simple then
  -- divide is muldiv, for products that are too great to be made at once.
  local function divide(a, b, m)
    if not decide then
      decide, muldiv = whole(now, born)
    end
    return muldiv(a, b, m)
  end

  -- pass has others decide what is asked of a key.
  local function pass(k, number, from, to)
    if not decide then
      decide, muldiv = whole(now, born)
    end
    others = others or {''}
    others[#others + 1] = decide(names[k], names[keys + k], number, plan, from, to)
    return '\255'
  end

  -- expiry returns when a state ends that means something for so long, in ms, rounded up.
  local ends, text
  local function expiry(life)
    life = (life < FOREVER and life or FOREVER) + 999
    local at = born + (life - life % 1000) / 1000
    if at ~= ends then
      ends, text = at, format('%d', at)
    end
    return text
  end

  -- decimal returns a number as text, which it makes once: there are few, and Redis takes long to make one of a number.
  local decimals = {}
  local function decimal(n)
    local text = decimals[n] or format('%d', n)
    decimals[n] = text
    return text
  end

  -- lost reports whether a key has no time to live, or none that may be read: others must look at it.
  local function lost(k)
    local left = call('PTTL', names[k])
    return type(left) == 'table' or left == -1
  end

  -- What is known of a limit is captured by two functions. read reads the state that stands in a value from a place on, or
  -- is false where there is none, and brings it to now: it returns where the next one begins, and how many units may be
  -- taken; or nil, where others must look at it. charge takes units, and returns what is to be written, and how long it
  -- means something. summary returns the state as it was read.

  local function bucket(head, period, count, capacity)
    local format, size = '>c' .. #head .. 'i7I5', #head + 12
    local even, odd = (period - period % count) / count, period % count
    local at, used, since, earned, fraction
    local function read(value, place)
      used, since, earned, fraction = 0, 0, 0, 0
      if not value or #value < place + size - 1 then
        return place, capacity
      end
      local found, following
      found, at, used, following = unpacked(format, value, place)
      if found ~= head then
        used = 0
        return place, capacity
      end
      since = now - at
      if since >= period then
        local rest = since % period
        used, at, since = used - (since - rest) / period * count, now - rest, rest
        if used <= 0 then
          used, since = 0, 0
          return following, capacity
        end
      elseif since < -period or used == 0 then
        return nil
      end
      if since > 0 then
        local product = since * count
        if product < FOREVER then
          fraction = product % period
          earned = (product - fraction) / period
        else
          earned, fraction = divide(count, since, period)
        end
        if earned >= used then
          used, since, earned, fraction = 0, 0, 0, 0
        end
      end
      return following, capacity - used + earned
    end
    local function charge(_, units)
      local full = at
      if used == 0 then
        full = now
      end
      local missing, ticks, rest = used + units - earned - 1, nil, nil
      local product = missing * odd
      if product < FOREVER then
        rest = product % count
        ticks = missing * even + (product - rest) / count
      else
        ticks, rest = divide(missing, period, count)
      end
      rest = rest + period - fraction + count - 1
      ticks = ticks + (rest - rest % count) / count
      return packed(format, head, full, used + units), since < 0 and ticks - since or ticks
    end
    return read, charge, function()
      return packed('>i7I5', used == 0 and 0 or at, used)
    end
  end

  local function window(head, period, capacity, aligned)
    local format, size = '>c' .. #head .. 'i7I5', #head + 12
    local at, used
    local function read(value, place)
      used = 0
      if not value or #value < place + size - 1 then
        return place, capacity
      end
      local found, following
      found, at, used, following = unpacked(format, value, place)
      if found ~= head then
        used = 0
        return place, capacity
      elseif at - now > period or used == 0 then
        return nil
      elseif now >= at + period then
        used = 0
      end
      return following, capacity - used
    end
    local function charge(_, units)
      local begun = at
      if used == 0 then
        begun = aligned and now - now % period or now
      end
      return packed(format, head, begun, used + units), begun + period - now
    end
    return read, charge, function()
      return packed('>i7I5', used == 0 and 0 or at, used)
    end
  end

  local function log(head, period, capacity)
    local format, size = '>c' .. #head .. 'I5BI7I5', #head + 18
    local width = (period - period % EXACT_ADMISSIONS) / EXACT_ADMISSIONS
    local newest, used, alive, first, last, unbroken -- the admissions that are alive, in the value, and that no others stand there
    local function read(value, place)
      used, alive, newest = 0, 0, 0
      if not value or #value < place + size - 1 then
        return place, capacity
      end
      local found, at, units
      found, used, alive, at, units, first = unpacked(format, value, place)
      if found ~= head then
        used, alive = 0, 0
        return place, capacity
      end
      first = first - 12
      last = first + alive * 12 - 1
      if alive == 0 or last > #value then
        return nil
      end
      newest = alive == 1 and at or unpacked('>I7', value, last - 11)
      if newest - now > period then
        return nil
      end
      unbroken = true
      while at + period <= now do
        used, alive, first, unbroken = used - units, alive - 1, first + 12, false
        if first > last then
          break
        end
        at, units = unpacked('>I7I5', value, first)
      end
      if (used > 0) ~= (alive > 0) then
        return nil
      end
      return last + 1, capacity - used
    end
    local function charge(value, units)
      if used == 0 then
        return packed(format, head, units, 1, now, units), period
      end
      local at = now > newest and now or newest
      if at == newest or alive >= EXACT_ADMISSIONS and at - at % width == newest - newest % width then
        local before = unpacked('>I5', value, last - 4)
        return head .. packed('>I5B', used + units, alive) .. sub(value, first, last - 12) .. packed('>I7I5', at, before + units),
          at + period - now
      elseif alive == MOST_ADMISSIONS then
        return nil
      end
      return head .. packed('>I5B', used + units, alive + 1) .. sub(value, first, last) .. packed('>I7I5', at, units),
        at + period - now
    end
    -- patch writes over those parts of a long value that units change which join the newest admission, where this is the
    -- key's only limit and none of its admissions has ended. It returns what Redis said and how long the value means
    -- something, or nil where it must be written as a whole.
    local function patch(name, value, units)
      local at = now > newest and now or newest
      if used == 0 or not unbroken or at ~= newest and (alive < EXACT_ADMISSIONS or at - at % width ~= newest - newest % width) then
        return nil
      end
      local before = unpacked('>I5', value, last - 4)
      local done = call('SETRANGE', name, decimal(last - 12), packed('>I7I5', at, before + units))
      if done ~= #value then
        return nil -- Redis has refused, and may allow SET: its user may have the rights of an earlier version
      end
      return call('SETRANGE', name, decimal(#head), packed('>I5B', used + units, alive)), at + period - now
    end
    return read, charge, function()
      return packed('>i7I5', used == 0 and 0 or newest, used)
    end, patch
  end

  -- prepare reads a policy. It is not quick where others must decide: one that must not decide any more, or one with a limit
  -- that is not among those that most have.
  local function prepare(bytes)
    local before, after, pos = unpacked('>I7I4', bytes)
    if now >= before then
      return {}
    end
    local policy = {limits = 0, penalty = after > 0, sliding = false}
    pos = after > 0 and pos + 15 or pos
    while pos <= #bytes do
      local size = string.byte(bytes, pos) + 11
      local kind, period, count, capacity, following = unpacked('>BI5I4I4', bytes, pos + size - 10)
      local head, n = sub(bytes, pos, pos + size - 1), policy.limits + 1
      period = period * 1000
      if kind == TOKEN_BUCKET then
        policy[3 * n - 2], policy[3 * n - 1], policy[3 * n] = bucket(head, period, count, capacity)
      elseif kind == SLIDING_WINDOW then
        policy[3 * n - 2], policy[3 * n - 1], policy[3 * n], policy.patch = log(head, period, capacity)
        policy.sliding = true
      elseif kind == FIXED_WINDOW or kind == ALIGNED_WINDOW then
        policy[3 * n - 2], policy[3 * n - 1], policy[3 * n] = window(head, period, capacity, kind == ALIGNED_WINDOW)
      else
        return policy
      end
      policy.limits, pos = n, following
    end
    policy.quick = true
    return policy
  end

  -- settle decides what is asked of a key by some runs of the plan, and writes its state. It returns what it was, or nil
  -- where others must decide, and then nothing was written; or an error.
  local function settle(policy, k, from, to)
    local value, last = values[k], 3 * policy.limits
    local place, room = policy[1](value, 1)
    if not place then
      return nil
    end
    for n = 4, last, 3 do
      local left
      place, left = policy[n](value, place)
      if not place then
        return nil
      end
      room = left < room and left or room
    end
    if value and place ~= #value + 1 then
      return nil
    end

    local taken = 0
    for run = from, to, 7 do
      local times, cost, how = unpacked('>I2I4B', plan, run)
      if how >= 4 then
        return nil
      end
      local units = times * cost
      if units > room - taken then
        if policy.sliding or policy.penalty then
          return nil
        end
        units = cost > 0 and room - taken >= cost and (room - taken) - (room - taken) % cost or 0
      end
      if how % 2 == 0 then
        taken = taken + units
      end
    end

    local done, life
    if taken == 0 then
      if not value or lost(k) then
        return nil -- or there may be a value of another type
      end
      done = value
    elseif policy.patch and last == 3 and value and #value > LONG then
      done, life = policy.patch(names[k], value, taken)
      if done == #value then
        done = call('PEXPIREAT', names[k], expiry(life)) == 1 and value or nil
      end
    end
    if not done then
      local written
      written, life = policy[2](value, taken)
      if not written then
        return nil
      end
      for n = 5, last, 3 do
        local more, longer = policy[n](value, taken)
        if not more then
          return nil
        end
        written, life = written .. more, longer > life and longer or life
      end
      if value and #value > LONG then
        done = call('SET', names[k], written, 'PXAT', expiry(life))
        done = done.err and done or value
      else -- what it replaces costs less to read than the word that it was replaced
        done = call('SET', names[k], written, 'PXAT', expiry(life), 'GET')
      end
    end
    if done ~= value then
      return done -- an error: there is a value of another type, or Redis has refused
    end

    if not value or value == '' then
      return '\0'
    elseif policy.sliding then
      local was = '\253' .. policy[3]()
      for n = 6, last, 3 do
        was = was .. policy[n]()
      end
      return was
    elseif last > 3 then
      return '\254' .. packed('>I2', #value) .. value
    end
    return value
  end

  local policies = {}
  local pos, i = 1, 0
  while pos <= #plan do
    local same, number, again, runs, from = unpacked('>I2I2BI2', plan, pos)
    pos = from + 7 * runs
    local policy = policies[number]
    if not policy then
      policy = prepare(ARGV[2 + number])
      policies[number] = policy
    end
    for k = i + 1, i + same do
      local answer
      if policy.quick and again == 0 and (standings == 0 or call('EXISTS', names[keys + k]) == 0) then
        answer = settle(policy, k, from, pos - 1)
      end
      if not answer then
        answer = pass(k, number, from, pos - 1)
      elseif type(answer) == 'table' then
        others = others or {''}
        others[#others + 1] = answer
        answer = '\255'
      end
      answers[k] = answer
    end
    i = i + same
  end
end

answers = packed('>I7', now) .. table.concat(answers)
if not others then
  return answers
end
others[1] = answers
return others
