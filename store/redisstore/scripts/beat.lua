-- Notes that a server is alive, and counts those that are.
--
-- KEYS[1]      the servers: a hash of their names to the milliseconds at which they have said so last
-- ARGV[1]      the name of this one
-- ARGV[2]      after how many milliseconds a server counts as gone that says nothing
-- ARGV[3]      "1" where this one goes
--
-- Returns how many are alive, and how many of them have a name that comes before this one's: its number, from 0.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local life = tonumber(ARGV[2])
if ARGV[3] == '1' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now))
end
local all = redis.call('HGETALL', KEYS[1])
local alive, before = 0, 0
for i = 1, #all, 2 do
  local seen = tonumber(all[i + 1])
  -- What is from ahead of the clock was written before it was set back: who is alive says so again within a second.
  if not seen or seen <= now - life or seen > now + life then
    redis.call('HDEL', KEYS[1], all[i])
  else
    alive = alive + 1
    if all[i] < ARGV[1] then
      before = before + 1
    end
  end
end
redis.call('PEXPIRE', KEYS[1], life)
return {alive, before}
