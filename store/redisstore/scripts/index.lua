-- Notes keys in an index of blocks or overrides, or removes them, drops some whose end has long passed, and reads a page.
--
-- KEYS[1]   the keys: a sorted set, all scores 0, so that they are in the order of their bytes
-- KEYS[2]   when they end: a sorted set by instants; of those that hold for good nothing is in it
-- ARGV[1]   how many keys to return at most, 0 for none
-- ARGV[2]   the key behind which the page begins; empty: with the first
-- ARGV[3], ARGV[4] and so on: when a key ends, 'good' for one that holds for good, or 'gone' to remove it; and the key
--
-- Returns the keys of the page.
--
-- An end is never put earlier, whoever comes last, and a key is kept for an hour longer than that: the record that it is
-- for may be on a node with another clock.

local SPARE = 3600000 -- ms
local MOST_DROPPED = 1000

for n = 3, #ARGV, 2 do
  local ends, key = ARGV[n], ARGV[n + 1]
  if ends == 'gone' then
    redis.call('ZREM', KEYS[1], key)
    redis.call('ZREM', KEYS[2], key)
  else
    local new = redis.call('ZADD', KEYS[1], 0, key) == 1
    if ends == 'good' then
      redis.call('ZREM', KEYS[2], key)
    elseif new or redis.call('ZSCORE', KEYS[2], key) then
      redis.call('ZADD', KEYS[2], 'GT', ends, key)
    end
  end
end

local time = redis.call('TIME')
local long_ago = string.format('%.0f', (time[1] * 1000 - SPARE) * 1000)
local ended = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', long_ago, 'LIMIT', 0, MOST_DROPPED)
for n = 1, #ended do
  redis.call('ZREM', KEYS[1], ended[n])
  redis.call('ZREM', KEYS[2], ended[n])
end

-- The index lives as long as what is in it.
local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')[2]
if last and redis.call('ZCARD', KEYS[1]) == redis.call('ZCARD', KEYS[2]) then
  local gone = string.format('%.0f', math.ceil(last / 1000) + 2 * SPARE)
  redis.call('PEXPIREAT', KEYS[1], gone)
  redis.call('PEXPIREAT', KEYS[2], gone)
else
  redis.call('PERSIST', KEYS[1])
  redis.call('PERSIST', KEYS[2])
end

if ARGV[1] == '0' then
  return {}
end
local from = ARGV[2] == '' and '-' or '(' .. ARGV[2]
return redis.call('ZRANGEBYLEX', KEYS[1], from, '+', 'LIMIT', 0, ARGV[1])
