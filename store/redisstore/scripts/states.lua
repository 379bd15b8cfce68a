-- What is stored of a key, read and written: the beginning of check.lua and lend.lua, which are sent with it.

-- read_limits reads the limits that stand in bytes from a place on. It returns whether now is outside of the windows that
-- one of them names.
local function read_limits(bytes, pos, now)
  local limits, outside = {}, false
  while pos <= #bytes do
    local name_end = pos + string.byte(bytes, pos)
    local kind, period, count, capacity, following = struct.unpack('>BI5I4I4', bytes, name_end + 1)
    local l = {
      head = string.sub(bytes, pos, following - 5),
      kind = kind, period = period * 1000, count = count, capacity = capacity,
      at = 0, used = 0, prev = 0,
    }
    limits[#limits + 1] = l
    if kind == CALENDAR_WINDOW then
      local first, second, third, last
      first, second, third, last, following = struct.unpack('>i7i7i7i7', bytes, following)
      outside = outside or now < first or now >= last
      l.ends = now < second and second or now < third and third or last
      l.starts = now < second and first or now < third and second or third
    end
    pos = following
  end
  return limits, outside
end

-- look reads a key's state and standing. Where nothing may be decided any more, or Redis says an error, that is the third
-- result.
local function look(key, standing_key, policy, now)
  if now >= policy.before then
    return nil, nil, redis.error_reply('STALE the instant before which it had to be decided has passed')
  end
  local value, record = redis.pcall('GET', key), redis.pcall('GET', standing_key)
  if type(value) == 'table' then
    return nil, nil, value
  elseif type(record) == 'table' then
    return nil, nil, record
  end
  return value, record
end

-- undecided returns why a key was not decided: its value could not be read or, where it could, now is outside of the
-- windows of a calendar that were sent.
local function undecided(readable, now)
  if readable then
    return redis.error_reply(string.format('OUTSIDE %.0f', now))
  end
  return redis.error_reply('BADSTATE the value is not one that this version of Sluice writes; reset or delete the key')
end

-- limits_for returns the limits that hold for a key: its own, which its standing then says, or the policy's; nil where now
-- is outside of the windows of a calendar that were sent.
local function limits_for(policy, standing, now)
  if standing and standing.override and (standing.override_ends == 0 or standing.override_ends > now) then
    standing.limits = standing.override
    return (read_limits(standing.override, 2, now))
  end
  if not policy.limits then
    policy.limits, policy.outside = read_limits(policy.bytes, policy.at, now)
  end
  return not policy.outside and policy.limits or nil
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

-- reset_in returns in how long the state reads like a key never seen, if nothing is lent.
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

-- retry_in returns in how long a cost fits that does not fit now, if nothing is lent.
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

-- read_other reads a value, from where its states begin, that other limits have written than those that are asked: by
-- name, their states.
local function read_other(value, pos)
  local others = {}
  while pos <= #value do
    local l = {at = 0, prev = 0}
    local name
    name, l.kind, l.period, l.count, pos = struct.unpack('>Bc0BI5I4', value, pos)
    if l.kind < SLIDING_WINDOW or l.kind > CALENDAR_WINDOW then
      error('kind')
    end
    l.period = l.period * 1000
    pos = read_state(l, value, pos)
    others[name] = l
  end
  return others
end

-- read gives the limits the states of a value, at now, and what of them is lent: limits.leases and limits.out, see
-- leases.lua. It returns whether one had to be replaced. Where the limits are those that wrote the value, their states
-- stand in it one after the other. Settle, where it is given, is called with the leases that the value has.
local function read(limits, value, now, settle)
  local replaced, place, charge = false, 1, nil
  limits.leases, limits.out = nil, 0
  if string.byte(value) == LEASES then
    limits.leases, place, charge = leasing(value)
    if settle then
      settle(limits.leases)
    end
  end
  local states = place
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
    local others = read_other(value, states)
    for n = 1, #limits do
      local l = limits[n]
      local name = string.sub(l.head, 2, 1 + string.byte(l.head))
      forget(l)
      if others[name] then
        replaced = carry(l, others[name], now) or replaced
      end
    end
  end
  if charge then
    replaced = charge(limits, now, replaced) or replaced
  end
  for n = 1, #limits do
    local l = limits[n]
    replaced = advance(l, now) or replaced
  end
  return replaced
end

-- lent_until returns what retry_in, where a cost is given, and reset_in return of a limit of which units are lent: its
-- state is followed from the end of one lease to that of the next.
local function lent_until(l, limits, now, cost)
  local ahead, at, out, retry = {}, now, limits.out, nil
  for field, value in pairs(l) do
    ahead[field] = value
  end
  -- fits returns in how long the cost fits if no lease ended, nil where it never does or where that is known already.
  local function fits()
    if not cost or retry or cost + out > l.capacity then
      return nil
    elseif used_at(ahead, at) + out + cost <= l.capacity then
      return at - now
    end
    return math.min(at - now + retry_in(ahead, at, cost + out), FOREVER)
  end
  if cost and cost > l.capacity then
    retry = NEVER
  end
  for n = 1, #limits.leases, 2 do
    local ends, units = limits.leases[n], limits.leases[n + 1]
    local earliest = fits()
    if earliest and now + earliest <= ends then
      retry = earliest
    end
    advance(ahead, ends)
    take(ahead, ends, units)
    at, out = ends, out - units
  end
  return retry or fits() or 0, at - now + reset_in(ahead, at)
end

-- keep writes what is used and lent of a key, where that has changed, and else gives the key back a time to live that it
-- has lost. It lives until its state means nothing any more, rounded up. It returns what Redis says.
local function keep(key, value, limits, changed, longest)
  local expires = string.format('%.0f', born + math.ceil(longest / 1000))
  if changed and longest > 0 then
    local states = limits.out > 0 and write_leases(limits.leases) or nil
    for n = 1, #limits do
      local state = write_state(limits[n])
      states = states and states .. state or state
    end
    return redis.pcall('SET', key, states, 'PXAT', expires)
  elseif changed and value then
    return redis.pcall('DEL', key)
  elseif value then
    local left = redis.pcall('PTTL', key)
    if left == -1 then -- a key that somebody made immortal
      return redis.pcall('PEXPIREAT', key, expires)
    end
    return left
  end
end
