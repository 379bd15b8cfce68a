-- Changes the standing of a key, or only looks at it.
--
-- KEYS[1]   the record of the key's standing
-- ARGV[1]   an instant in microseconds since the epoch, only from tests; empty: the server's clock
-- ARGV[2]   the block: empty to leave it; '-' to end it, with all that counts towards the next penalty; else >I7B and the
--           reason: an instant or, where the byte is 1, a span from now
-- ARGV[3]   the override: empty to leave it; '-' to take it away; else >I7B and its limits: an instant or, where the byte
--           is 1, a span from now; 0 and 0 is for good
--
-- Returns what is in force then: the block as >I7B, its end and 1 for a penalty, and the reason, or empty; the override as
-- >I7, its end, and its limits, or empty; how many refusals count towards the next penalty; how many past blocks do.

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
if ARGV[2] == '-' and ARGV[3] == '-' then -- nothing is kept, whatever it was
  redis.call('DEL', KEYS[1])
  return {'', '', 0, 0}
end
local record = redis.pcall('GET', KEYS[1]) or ''
if type(record) == 'table' then
  return record -- an error
end
local open, _, close = standings()
local ok, s = pcall(open, record, now)
if ok and s.refusals then
  local replaced
  ok, replaced = pcall(advance, s.refusals, now)
  s.changed = s.changed or replaced
end
if not ok then
  return redis.error_reply('BADSTATE the value is not one that this version of Sluice writes; end block and override at once')
end

if ARGV[2] == '-' then
  s.ends, s.refusals, s.past, s.changed = nil, nil, 0, true
elseif ARGV[2] ~= '' then
  local ends, span = struct.unpack('>I7B', ARGV[2])
  ends = ends + span * now
  s.ends, s.penalty, s.reason, s.changed = math.min(ends, now + LONGEST_BLOCK), 0, string.sub(ARGV[2], 9), true
end
if ARGV[3] == '-' then
  s.override, s.changed = nil, true
elseif ARGV[3] ~= '' then
  local ends, span = struct.unpack('>I7B', ARGV[3])
  s.override_ends, s.override, s.changed = math.min(ends + span * now, FOREVER), string.sub(ARGV[3], 9), true
end

if record ~= '' or s.changed then
  local written = close(s, KEYS[1], now)
  if type(written) == 'table' and written.err then
    return written
  end
end
local block, override = '', ''
if s.ends and s.ends > now then
  block = struct.pack('>I7B', s.ends, s.penalty) .. s.reason
end
if s.override and (s.override_ends == 0 or s.override_ends > now) then
  override = struct.pack('>I7', s.override_ends) .. s.override
end
return {block, override, s.refusals and s.refusals.used or 0, s.past > 0 and s.fades > now and s.past or 0}
