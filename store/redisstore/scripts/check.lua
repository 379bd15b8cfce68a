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

-- ask decides one check. It returns what each limit says, whether the cost was charged, the longest reset after, and
-- whether all limits had room.
local function ask(limits, now, cost, peek)
  local allowed = true
  for n = 1, #limits do
    local l = limits[n]
    allowed = allowed and used_at(l, now) + limits.out + cost <= l.capacity
  end
  local charge = allowed and cost > 0 and not peek
  local reply, longest = nil, 0
  for n = 1, #limits do
    local l = limits[n]
    if charge then
      take(l, now, cost)
    end
    local used, retry, reset = used_at(l, now) + limits.out, 0, nil
    local wants = not charge and used + cost > l.capacity
    if limits.out > 0 then
      retry, reset = lent_until(l, limits, now, wants and cost)
    else
      retry, reset = wants and retry_in(l, now, cost) or 0, reset_in(l, now)
    end
    reset = math.min(reset, FOREVER)
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
  local barred, standing, open, strike, close
  if record then
    open, strike, close = standings()
    standing = open(record, now)
    barred = standing.ends and standing.ends > now
  end
  local limits = limits_for(policy, standing, now)
  if not limits then
    return nil
  end
  local changed, replies, before, longest = read(limits, value, now), {}, 0, nil
  for run = from, to, 7 do
    local times, cost, how = struct.unpack('>I2I4B', plan, run)
    if how == 4 and policy.after > 0 and not barred then -- refusals elsewhere
      if not standing then
        open, strike, close = standings()
        standing = open('', now)
      end
      strike(standing, policy, now, cost)
      barred = standing.ends and standing.ends > now
      standing.free = before
    end
    if how == 8 then -- units given back
      for n = 1, #limits do
        changed = give(limits[n], now, cost) or changed
      end
    end
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
        strike(standing, policy, now, 1)
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
  local value, record, fault = look(key, standing_key, policy, now)
  if fault then
    return fault
  end
  local ok, replies, changed, longest, standing, close, limits = pcall(try, policy, value or '', record, plan, from, to)
  if not (ok and replies) then
    return undecided(ok, now)
  end

  local written
  if standing and (record or standing.changed) then
    written = close(standing, standing_key, now)
    if type(written) == 'table' and written.err then
      return written
    end
  end

  written = keep(key, value, limits, changed, longest)
  if type(written) == 'table' and written.err then
    return written
  end
  if standing and (standing.limits or standing.block) then
    return {replies, standing.limits or '', standing.block or ''}
  end
  return replies
end

return decide, muldiv
