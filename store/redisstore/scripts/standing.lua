-- The standing of a key: what is known of it besides its counters. docs/redis-keys.md describes the record, of which each
-- part may be missing. Read, it is one table:
--
--   ends, reason, penalty      the block: until when, why, and 1 where a penalty began it, else 0
--   past, fades                past blocks that make the next one longer, and when they are forgotten
--   refusals                   the refusals that count towards the next one, as a sliding window keeps admissions
--   override, override_ends    the limits of its own, as ARGV has them, and until when; 0 is for good
--   changed                    whether the record has to be written

local BLOCK, PAST_BLOCKS, REFUSALS, OVERRIDE = 240, 241, 242, 243
local LONGEST_BLOCK = 31622400000000 -- 366 days
local MOST_PAST_BLOCKS = 62

-- standings returns the functions for them. They are made where they are needed only: a check of a key without a record
-- that is not refused under a penalty pays for this one.
local function standings()
  -- open reads a record, '' where there is none. A block from further ahead than any lasts is replaced by the longest.
  local function open(record, now)
    local s, pos = {past = 0}, 1
    while pos <= #record do
      local part = string.byte(record, pos)
      if part == BLOCK then
        s.ends, s.penalty, s.reason, pos = struct.unpack('>I7BBc0', record, pos + 1)
        if s.ends - now > LONGEST_BLOCK then
          s.ends, s.changed = now + LONGEST_BLOCK, true
        end
      elseif part == PAST_BLOCKS then
        s.past, s.fades, pos = struct.unpack('>BI7', record, pos + 1)
      elseif part == REFUSALS then
        local l = {kind = SLIDING_WINDOW, at = 0, prev = 0, head = string.sub(record, pos, pos + 9)}
        l.period, l.count, pos = struct.unpack('>I5I4', record, pos + 1)
        l.period, l.capacity, s.refusals = l.period * 1000, l.count, l
        pos = read_state(l, record, pos)
      elseif part == OVERRIDE then
        s.override_ends, s.override, pos = struct.unpack('>I7I2c0', record, pos + 1)
      else
        error('part')
      end
    end
    if s.changed and s.refusals then
      advance(s.refusals, now)
    end
    return s
  end

  -- strike counts refusals under a penalty, and begins a block where that makes them enough.
  local function strike(s, penalty, now, refusals)
    local l = {
      head = struct.pack('>BI5I4', REFUSALS, penalty.within / 1000, penalty.after),
      kind = SLIDING_WINDOW, period = penalty.within, count = penalty.after, capacity = penalty.after, prev = 0,
    }
    forget(l)
    if s.refusals then
      carry(l, s.refusals, now)
    end
    advance(l, now)
    take(l, now, refusals)
    s.refusals, s.changed = l, true
    if l.used >= penalty.after then
      if s.past > 0 and now >= s.fades then
        s.past = 0
      end
      local lasts, others = penalty.lasts, s.past
      while others > 0 and lasts < penalty.longest do
        lasts, others = lasts * 2, others - 1
      end
      s.ends, s.reason, s.penalty = now + math.min(lasts, penalty.longest), 'penalty', 1
      s.past, s.fades = math.min(s.past + 1, MOST_PAST_BLOCKS), s.ends + penalty.longest
      s.refusals = nil
    end
  end

  -- close writes the record if it has changed, without what has ended, and else gives it back a time to live that it has
  -- lost. It returns what Redis says. Refusals that are written have been advanced to now.
  local function close(s, key, now)
    local record, ends, for_good = '', now, false
    if s.ends and s.ends > now then
      record = struct.pack('>BI7BB', BLOCK, s.ends, s.penalty, #s.reason) .. s.reason
      ends = s.ends
    end
    if s.past > 0 and s.fades > now then
      record = record .. struct.pack('>BBI7', PAST_BLOCKS, s.past, s.fades)
      ends = math.max(ends, s.fades)
    end
    if s.refusals and s.refusals.newest + s.refusals.period > now then
      record = record .. write_state(s.refusals)
      ends = math.max(ends, s.refusals.newest + s.refusals.period)
    end
    if s.override and (s.override_ends == 0 or s.override_ends > now) then
      record = record .. struct.pack('>BI7I2', OVERRIDE, s.override_ends, #s.override) .. s.override
      ends, for_good = math.max(ends, s.override_ends), s.override_ends == 0
    end

    local life = math.ceil((ends - now) / 1000)
    if life > 0 and ARGV[1] ~= '' then
      life = life + 3600000 -- a test's clock stands still while Redis's runs
    end
    if s.changed and record == '' then
      return redis.pcall('DEL', key)
    elseif s.changed and for_good then
      return redis.pcall('SET', key, record)
    elseif s.changed then
      return redis.pcall('SET', key, record, 'PX', life)
    elseif not for_good then
      local left = redis.pcall('PTTL', key)
      if left == -1 then -- a key that somebody made immortal
        return redis.pcall('PEXPIRE', key, life)
      end
      return left
    end
  end

  return open, strike, close
end
