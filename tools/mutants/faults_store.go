package main

// storeFaults are in the two stores, above all in the script that does the arithmetic in Redis.
var storeFaults = []fault{
	{
		name: "more keys are held than the maximum",
		file: "store/memstore/memstore.go", by: memstore,
		old: "if held <= s.maxKeys {",
		new: "if held <= s.maxKeys+1 {",
	},
	{
		name: "a key that is dropped alive is not counted",
		file: "store/memstore/memstore.go", by: memstore,
		old: "		s.evicted.Add(1)\n",
		new: "",
	},
	{
		name: "state is forgotten in half its time",
		file: "store/memstore/memstore.go", by: memory,
		old: "(d.ResetAfter+grace)/time.Microsecond",
		new: "(d.ResetAfter/2+grace)/time.Microsecond",
	},
	{
		name: "the clock is read twice",
		file: "store/redisstore/scripts/check.lua", by: redisOwn,
		old: "now = time[1] * 1000000 + time[2]",
		new: "now = time[1] * 1000000 + redis.call('TIME')[2]",
	},
	{
		name: "a write sets no time to live",
		file: "store/redisstore/scripts/check.lua", by: redis,
		old: "redis.pcall('SET', key, states, 'PX', life)",
		new: "redis.pcall('SET', key, states)",
	},
	{
		name: "the time to live is rounded down",
		file: "store/redisstore/scripts/check.lua", by: redis,
		old: "local life = math.ceil(longest / 1000)",
		new: "local life = math.floor(longest / 1000)",
	},
	{
		name: "a key without time to live is not healed",
		file: "store/redisstore/scripts/check.lua", by: redisOwn,
		old: "if written == -1 then",
		new: "if written == -3 then",
	},
	{
		name: "products beyond 2^53 are made at once",
		file: "store/redisstore/scripts/check.lua", by: redisGreat,
		old: "if product < FOREVER then",
		new: "if product < FOREVER * 4096 then",
	},
	{
		name: "a refusal is charged",
		file: "store/redisstore/scripts/check.lua", by: redis,
		old: "local charge = allowed and cost > 0 and not peek",
		new: "local charge = cost > 0 and not peek",
	},
	{
		name: "one limit is charged though another refused",
		file: "store/redisstore/scripts/check.lua", by: redis,
		old: "  if charge then\n",
		new: "  if charge or not peek and used_at(l, now) + cost <= l.capacity then\n    replaced = true\n",
	},
	{
		name: "an admission outlives its period by a tick",
		file: "store/redisstore/scripts/check.lua", by: redis,
		old: "if admitted + period > now then",
		new: "if admitted + period >= now then",
	},
	{
		name: "what a bucket earned of a unit is dropped",
		file: "store/redisstore/scripts/check.lua", by: redis,
		old: "l.used, l.at = l.used - periods * l.count, now - rest",
		new: "l.used, l.at = l.used - periods * l.count, now",
	},
	{
		name: "a clock that steps back gives units back",
		file: "store/redisstore/scripts/check.lua", by: redis,
		old: "local at, width = math.max(now, l.newest),",
		new: "local at, width = now,",
	},
	{
		name: "state from two periods ahead is believed",
		file: "store/redisstore/scripts/check.lua", by: redis,
		old: "if at - now > period then",
		new: "if at - now > 2 * period then",
	},
	{
		name: "joined admissions end with the first of them",
		file: "store/redisstore/scripts/check.lua", by: redisCrowd,
		old: "      last_units = units\n    end\n    last_at = at\n",
		new: "      last_units, last_at = units, at\n    end\n",
	},
	{
		name: "a limit with another period forgets what was used",
		file: "store/redisstore/scripts/check.lua", by: redis,
		old: "spend(l, now, used_at(old, now))",
		new: "spend(l, now, 0)",
	},
	{
		name: "a script that Redis forgot is not sent again",
		file: "store/redisstore/call.go", by: redisOwn,
		old: `reply := s.client.Do(ctx, s.evalsha(groups))
	if refusedWith(reply, "NOSCRIPT") {`,
		new: `reply := s.client.Do(ctx, s.evalsha(groups))
	if refusedWith(reply, "NOTHING") {`,
	},
	{
		name: "a call that may have been carried out is called not sent",
		file: "store/redisstore/redisstore.go", by: redisOwn,
		old: "	return uncertain(err)\n}\n\n// keyFailed",
		new: "	return notSent(err)\n}\n\n// keyFailed",
	},
	{
		name: "a check that has left is called not sent when its caller gives up",
		file: "store/redisstore/combiner.go", by: combined,
		old: "entries[i].result.Err = uncertain(err)",
		new: "entries[i].result.Err = notSent(err)",
	},
	{
		name: "a check that was withdrawn leaves all the same",
		file: "store/redisstore/combiner.go", by: combined,
		old: "if e.stage == queued {",
		new: "if e.stage == queued || e.stage == withdrawn {",
	},
	{
		name: "checks that share a call are charged as the first of them",
		file: "store/redisstore/scripts/check.lua", by: redis,
		old: "struct.unpack('>I4B', asked, pos)",
		new: "struct.unpack('>I4B', asked, 3)",
	},
	{
		name: "the client repeats calls by itself",
		file: "store/redisstore/client.go", by: redisKeys,
		old: "option.DisableRetry = true",
		new: "option.DisableRetry = false",
	},
	{
		name: "keys have no hash tag",
		file: "store/redisstore/keys.go", by: redisKeys,
		old: `k.prefix + "{" + policy + "|" + k.spell(key) + "}"`,
		new: `k.prefix + policy + "|" + k.spell(key)`,
	},
	{
		name: "keys with braces are not hashed",
		file: "store/redisstore/keys.go", by: redisKeys,
		old: `key[0] != '#' && !strings.ContainsAny(key, "{}")`,
		new: `key[0] != '#'`,
	},
	{
		name: "a key can pass for the hash of another",
		file: "store/redisstore/keys.go", by: redisKeys,
		old: `key[0] != '#' && !strings.ContainsAny(key, "{}")`,
		new: `!strings.ContainsAny(key, "{}")`,
	},
}
