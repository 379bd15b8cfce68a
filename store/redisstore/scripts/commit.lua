-- Carries out a change of the fleet's ledger, all of it or nothing. What a change is, store/ledger/ledger.go says.
--
-- KEYS[1]      the entries
-- KEYS[1+i]    the log of line i
-- ARGV         in this order:
--                the channel on which changes are told, the change's due and restore
--                the number of expectations, then for each its field and revision
--                the number of entries to delete, then for each its field
--                the number of entries to put, then for each its field and value
--                for each line how many lines its log keeps, and what it says
--
-- Returns {'done', version, now}, {'conflict', which, current}, where which is the number of the expectation that does
-- not hold, or 0 for the restore, or {'early'}. The error is BROKEOFF where something went wrong after the first write.
--
-- What is stored is described in docs/redis-keys.md. All instants are in microseconds. A version is an instant, or a
-- little more than one, and counts exactly up to 2^53, which is the year 2255.

local read_arguments = 0
local function argument()
  read_arguments = read_arguments + 1
  return ARGV[read_arguments]
end
local function number()
  return tonumber(argument())
end

-- text spells an instant in full: tostring keeps 14 digits.
local function text(n)
  return string.format('%.0f', n)
end

-- fail ends the change with an error for the caller, which is kept aside: some versions of Redis make a string of it.
local failure
local function fail(reply)
  failure = reply
  error(reply.err, 0)
end

-- call is redis.call, whose errors can be returned as they came.
local function call(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then
    fail(reply)
  end
  return reply
end

-- write is call for a command that changes something.
local wrote = false
local function write(...)
  local reply = call(...)
  wrote = true
  return reply
end

-- unpack_head returns the numbers at the head of a value, and 0 for each where there is no value.
local function unpack_head(form, size, value)
  if not value then
    return 0, 0
  elseif #value < size then
    fail(redis.error_reply('BADSTATE the value is not one that this version of Sluice writes; delete the key'))
  end
  return struct.unpack(form, value)
end

local function commit()
  -- Until the first write an error means that nothing was done.
  local channel, due, restore = argument(), number(), number()
  local version, restored = unpack_head('>I8I8', 16, call('HGET', KEYS[1], 'version'))
  if restore > 0 and version ~= 0 and (restored == 0 or restored >= restore) then
    return {'conflict', 0, version}
  end
  for which = 1, number() do
    local field, revision = argument(), number()
    local current = unpack_head('>I8', 8, call('HGET', KEYS[1], field))
    if current ~= revision then
      return {'conflict', which, current}
    end
  end
  local time = call('TIME')
  local now = time[1] * 1000000 + time[2]
  if now < due then
    return {'early'}
  end
  for i = 2, #KEYS do
    call('XLEN', KEYS[i]) -- that it is a log
  end

  local changed = restore > 0
  if changed then
    write('DEL', KEYS[1])
  end
  for _ = 1, number() do
    changed = write('HDEL', KEYS[1], argument()) > 0 or changed
  end
  local puts = number()
  if changed or puts > 0 then
    changed = true
    version = math.max(version + 1, now, restore + 1)
    write('HSET', KEYS[1], 'version', struct.pack('>I8I8', version, restore))
  end
  for _ = 1, puts do
    local field, value = argument(), argument()
    write('HSET', KEYS[1], field, struct.pack('>I8', version) .. value)
  end
  for i = 2, #KEYS do
    local keep, line = argument(), argument()
    write('XADD', KEYS[i], 'MAXLEN', '=', keep, '*', 'at', text(now), 'line', line)
  end
  if changed then
    redis.pcall('PUBLISH', channel, text(version)) -- who is not told finds out by looking
  end
  return {'done', version, now}
end

local ok, reply = pcall(commit)
if ok then
  return reply
elseif failure and not wrote then
  return failure
end
return redis.error_reply('BROKEOFF the change may be carried out in part: ' .. reply)
