package main

// leaseFaults are in what is lent, and in what a server does with it.
var leaseFaults = []fault{
	{
		name: "what is lent does not count as used",
		file: "store/redisstore/scripts/check.lua", by: lending,
		old: "used_at(l, now) + limits.out + cost <= l.capacity",
		new: "used_at(l, now) + cost <= l.capacity",
	},
	{
		name: "what was lent is charged a tick late",
		file: "store/redisstore/scripts/leases.lua", by: lending,
		old: "or carried) and now or ends",
		new: "or carried) and now or ends + 1",
	},
	{
		name: "a loan that has ended is forgotten",
		file: "store/redisstore/scripts/leases.lua", by: lending,
		old: "elseif units > 0 then",
		new: "elseif ahead then",
	},
	{
		name: "what was spent is not charged when it is accounted for",
		file: "store/redisstore/scripts/lend.lua", by: lending,
		old: "for n = 1, found and spent > 0 and #limits or 0 do",
		new: "for n = 1, 0 do",
	},
	{
		name: "a loan is settled that the store does not know",
		file: "store/redisstore/scripts/lend.lua", by: lending,
		old: "    if found and keeps == 1 then",
		new: "    if keeps == 1 then",
	},
	{
		name: "a loan lasts longer than its window",
		file: "store/redisstore/scripts/lend.lua", by: lending,
		old: "ends = math.min(ends, l.at + l.period - SPARE)",
		new: "ends = math.min(ends, now + l.period - SPARE)",
	},
	{
		name: "more is lent than the share",
		file: "store/redisstore/scripts/lend.lua", by: lending,
		old: "math.floor(l.capacity * policy.share / 100) - limits.out - kept)",
		new: "math.floor(l.capacity * policy.share / 100) - kept)",
	},
	{
		name: "two loans end at one instant",
		file: "store/redisstore/scripts/lend.lua", by: lending,
		old: "      ends = ends + 1\n",
		new: "",
	},
	{
		name: "a cost fits as soon as a loan has ended",
		file: "store/redisstore/scripts/states.lua", by: lending,
		old: "    take(ahead, ends, units)\n",
		new: "",
	},
	{
		name: "the time of a loan counts from the answer",
		file: "store/lease/holding.go", by: leases,
		old: "until: sent + span - span/drift",
		new: "until: now + span - span/drift",
	},
	{
		name: "a loan that has ended is spent",
		file: "store/lease/holding.go", by: leases,
		old: "if t == nil || now >= t.until || before != 0",
		new: "if t == nil || before != 0",
	},
	{
		name: "units are spent by a view that may be out of date",
		file: "store/lease/holding.go", by: leases,
		old: " || before != 0 && t.latest(now) >= before {",
		new: " {",
	},
	{
		name: "what was kept counts twice",
		file: "store/lease/holding.go", by: leases,
		old: "		fresh -= a.Held.Units - a.Spent\n",
		new: "",
	},
	{
		name: "a unit is spent by two",
		file: "store/lease/holding.go", by: leases,
		old: "		if h.left.CompareAndSwap(left, left-cost) {\n",
		new: "		if h.left.Store(left - cost); true {\n",
	},
	{
		name: "what nobody asks for is not given back",
		file: "store/lease/holding.go", by: leases,
		old: "	return h.closing, false\n",
		new: "	return false, false\n",
	},
	{
		name: "a reset leaves what is held",
		file: "store/lease/lease.go", by: leases,
		old: "	s.settle(ctx, policy.Name, key)\n",
		new: "",
	},
	{
		name: "a check is decided here behind one of its key that is asked at the store",
		file: "store/lease/lease.go", by: leases,
		old: "			behind[req.Key] = true\n",
		new: "			behind[req.Key] = false\n",
	},
	{
		name: "a loan of another policy of that name is spent",
		file: "store/lease/table.go", by: leases,
		old: "h != nil && h.key == key && h.policy == policy {\n			return h\n",
		new: "h != nil && h.key == key && h.policy.Name == policy.Name {\n			return h\n",
	},
	{
		name: "what ends loans takes a new one",
		file: "store/lease/holding.go", by: leases,
		old: "	defer h.mu.Unlock()\n	h.closing = true\n",
		new: "	defer h.mu.Unlock()\n	h.closing = h.held.Units > 0\n",
	},
	{
		name: "what was lent while a block was made is spent under it",
		file: "store/lease/lease.go", by: leases,
		old: "		defer s.table.named(a.Policy, a.Key, s.giveBack) // what was lent meanwhile\n",
		new: "",
	},
	{
		name: "a renewal asks by the view of an old check",
		file: "store/lease/lease.go", by: leases,
		old: "		h.before.Store(int64(req.Before))\n",
		new: "",
	},
	{
		name: "a reset does not wait for a renewal that is under way",
		file: "store/lease/run.go", by: leases,
		old: "settleTries, settlePause = 200,",
		new: "settleTries, settlePause = 1,",
	},
	{
		name: "a loan outlives a window of which all was given back",
		file: "store/redisstore/scripts/lend.lua", by: lendingRefund,
		old: "most, ends = 0, now",
		new: "most = 0",
	},
	{
		name: "a refund does not reach what was spent of a loan",
		file: "store/lease/lease.go", by: leases,
		old: "		s.settle(ctx, req.Policy.Name, req.Key)\n",
		new: "",
	},
}
