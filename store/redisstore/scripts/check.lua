-- Decides all that checks ask of one key: the general way, which every key can go. quick.lua, which is sent behind this,
-- decides most keys by itself and hands the others on. Until one comes nothing of this, and of what is sent in front of
-- it, is made: newScript puts it into a function of its own, whole(now, born).
--
-- The answer for a key is an error or a string: for each check, for each limit, >I7I7I4: retry after (microseconds; 0 where
-- the limit allows, 2^53 for never), reset after (microseconds), remaining. Of a key that has limits of its own or is
-- barred, a list of three: that string; its own limits as the record has them, or empty; and >I2I7I7B, how many of
-- the checks came before the block, its end, how long that is yet, and 1 for a penalty, and its reason, or empty.

local policies = {} -- by their numbers

-- policy_of reads all of a policy but its limits, which are read where they are needed.
local function policy_of(number)
  local bytes, policy = ARGV[2 + number], nil
  local before, after, pos = struct.unpack('>I7I4', bytes)
  if after == 0 then
    policy = {before = before, after = 0}
  else
    local within, lasts, longest
    within, lasts, longest, pos = struct.unpack('>I5I5I5', bytes, pos)
    policy = {before = before, after = after, within = within * 1000, lasts = lasts * 1000, longest = longest * 1000}
  end
  policy.bytes, policy.at = bytes, pos
  policies[number] = policy
  return policy
end

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
    end
    pos = following
  end
  return limits, outside
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

-- read_other reads a value that other limits have written than those that are asked: by name, their states.
local function read_other(value)
  local others, pos = {}, 1
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

-- ask decides one check. It returns what each limit says, whether the cost was charged, the longest reset after, and
-- whether all limits had room.
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
  return reply, charge, longest, allowed
end

-- try decides what is asked of a key with this value and record, and writes nothing. It returns the replies, nil where now
-- is outside of the windows of a calendar that were sent, whether the states have changed, the longest reset after, and
-- where there is a standing, it, what writes it, and the limits that held.
local function try(policy, value, record, plan, from, to)
  local limits, barred, standing, open, strike, close
  if record then
    open, strike, close = standings()
    standing = open(record, now)
    barred = standing.ends and standing.ends > now
    if standing.override and (standing.override_ends == 0 or standing.override_ends > now) then
      limits = read_limits(standing.override, 2, now)
      standing.limits = standing.override
    end
  end
  if not limits then
    if not policy.limits then
      policy.limits, policy.outside = read_limits(policy.bytes, policy.at, now)
    end
    if policy.outside then
      return nil
    end
    limits = policy.limits
  end
  local changed, replies, before, longest = read(limits, value, now), {}, 0, nil
  for run = from, to, 7 do
    local times, cost, how = struct.unpack('>I2I4B', plan, run)
    while times > 0 do
      local reply, charged, allowed
      reply, charged, longest, allowed = ask(limits, now, cost, barred or how % 2 == 1)
      changed = changed or charged
      times, before = times - 1, before + 1
      replies[#replies + 1] = reply
      if not allowed and policy.after > 0 and how == 0 and cost > 0 and not barred then
        if not standing then
          open, strike, close = standings()
          standing = open('', now)
        end
        strike(standing, policy, now)
        barred = standing.ends and standing.ends > now
        standing.free = before - 1
      elseif not charged then -- nothing has changed, so that the others of the run are answered the same
        replies[#replies + 1] = string.rep(reply, times)
        before, times = before + times, 0
      end
    end
  end
  if standing then
    standing.block = barred
      and struct.pack('>I2I7I7B', standing.free or 0, standing.ends, standing.ends - now, standing.penalty) .. standing.reason
  end
  return table.concat(replies), changed, longest, standing, close, limits
end

-- decide decides what is asked of a key, with one read and one write of its state and of its standing. Whatever is wrong
-- with one key is an error of that key alone, and writing the state is the last thing that can go wrong.
local function decide(key, standing_key, number, plan, from, to)
  local policy = policies[number] or policy_of(number)
  if now >= policy.before then
    return redis.error_reply('STALE the instant before which it had to be decided has passed')
  end
  local value = redis.pcall('GET', key)
  if type(value) == 'table' then
    return value -- an error
  end
  local record = redis.pcall('GET', standing_key)
  if type(record) == 'table' then
    return record
  end
  local ok, replies, changed, longest, standing, close, limits = pcall(try, policy, value or '', record, plan, from, to)
  if not ok then
    return redis.error_reply('BADSTATE the value is not one that this version of Sluice writes; reset or delete the key')
  end
  if not replies then
    return redis.error_reply(string.format('OUTSIDE %.0f', now))
  end

  local written
  if standing and (record or standing.changed) then
    written = close(standing, standing_key, now)
    if type(written) == 'table' and written.err then
      return written
    end
  end

  -- A key lives until its state means nothing any more, rounded up.
  local expires = string.format('%.0f', born + math.ceil(longest / 1000))
  if changed and longest > 0 then
    local states
    for n = 1, #limits do
      local state = write_state(limits[n])
      states = states and states .. state or state
    end
    written = redis.pcall('SET', key, states, 'PXAT', expires)
  elseif changed and value then
    written = redis.pcall('DEL', key)
  elseif value then
    written = redis.pcall('PTTL', key)
    if written == -1 then -- a key that somebody made immortal
      written = redis.pcall('PEXPIREAT', key, expires)
    end
  end
  if type(written) == 'table' and written.err then
    return written
  end
  if standing and (standing.limits or standing.block) then
    return {replies, standing.limits or '', standing.block or ''}
  end
  return replies
end

return decide, muldiv
