-- Reads from the fleet's entries and Redis's clock in one step.
--
-- KEYS[1]      the entries
-- ARGV         the command that reads them, without its key: HGETALL, or HGET and a field
--
-- Returns the clock's seconds and microseconds, and the command's reply or error.

local time = redis.call('TIME')
return {time[1], time[2], redis.pcall(ARGV[1], KEYS[1], unpack(ARGV, 2))}
