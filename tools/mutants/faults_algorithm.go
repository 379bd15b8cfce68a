package main

// algorithmFaults are in the arithmetic that the embedded store runs.
var algorithmFaults = []fault{
	{
		name: "sliding window: an admission outlives its period by a tick",
		file: "algorithm/slidingwindow.go", by: memory,
		old: "s.log.entries[s.at].at <= ended",
		new: "s.log.entries[s.at].at < ended",
	},
	{
		name: "sliding window: 32 admissions are exact, not 64",
		file: "algorithm/slidingwindow.go", by: crowd,
		old: "alive >= exactAdmissions &&",
		new: "alive >= exactAdmissions/2 &&",
	},
	{
		name: "sliding window: sub-windows are twice as wide, units come back too late",
		file: "algorithm/slidingwindow.go", by: crowd,
		old: "width := period(l) / exactAdmissions",
		new: "width := period(l) / exactAdmissions * 2",
	},
	{
		name: "sliding window: joined admissions end with the first of them, units come back early",
		file: "algorithm/slidingwindow.go", by: crowd,
		old: "last.at, last.units = a.at, last.units+a.units",
		new: "last.units += a.units",
	},
	{
		name: "sliding window: a clock that steps back gives units back",
		file: "algorithm/slidingwindow.go", by: crowd,
		old: "at := max(now, newest.at)",
		new: "at := now",
	},
	{
		name: "fixed window: it ends a tick late",
		file: "algorithm/fixedwindow.go", by: memory,
		old: "if now >= s.at+period(l) {",
		new: "if now > s.at+period(l) {",
	},
	{
		name: "fixed window: an aligned one starts at first use",
		file: "algorithm/algorithm.go", by: memory,
		old: "l.Aligned() || l.Algorithm() == sluice.SlidingCounter",
		new: "l.Algorithm() == sluice.SlidingCounter",
	},
	{
		name: "sliding counter: the previous window counts in full until the end",
		file: "algorithm/slidingcounter.go", by: memory,
		old: "p-max(0, now-s.at)",
		new: "p-0*now",
	},
	{
		name: "sliding counter: the weight of the previous window is rounded down",
		file: "algorithm/slidingcounter.go", by: memory,
		old: "if fraction > 0 {",
		new: "if fraction > p {",
	},
	{
		name: "token bucket: what was earned of a unit is dropped",
		file: "algorithm/tokenbucket.go", by: memory,
		old: "s.at = now - elapsed",
		new: "s.at = now",
	},
	{
		name: "token bucket: time to earn is rounded down",
		file: "algorithm/tokenbucket.go", by: memory,
		old: "if rest > 0 {",
		new: "if rest > count {",
	},
	{
		name: "token bucket: another count drops the fraction that was earned",
		file: "algorithm/tokenbucket.go", by: arithmetic,
		old: "s.at = now - fraction/l.Count()",
		new: "s.at = now - 0*fraction/l.Count()",
	},
	{
		name: "RetryAfter is one tick too long",
		file: "algorithm/record.go", by: memory,
		old: "o.RetryAfter = wait(s.retryAt(l, cost), now)",
		new: "o.RetryAfter = wait(s.retryAt(l, cost)+1, now)",
	},
	{
		name: "Remaining is one too low",
		file: "algorithm/record.go", by: memory,
		old: "Remaining:  max(0, room),",
		new: "Remaining:  max(0, room-1),",
	},
	{
		name: "a cost that can never fit is given a time",
		file: "algorithm/record.go", by: memory,
		old: "case cost > l.Capacity():",
		new: "case cost > sluice.MaxCount:",
	},
	{
		name: "state from two periods ahead is believed",
		file: "algorithm/algorithm.go", by: memory,
		old: "if s.instant(l)-now > period(l) {",
		new: "if s.instant(l)-now > 2*period(l) {",
	},
	{
		name: "state from ahead is replaced, but not stored",
		file: "algorithm/algorithm.go", by: memory,
		old: "return l.Capacity(), true",
		new: "return l.Capacity(), false",
	},
	{
		name: "a limit with another period forgets what was used",
		file: "algorithm/algorithm.go", by: memory,
		old: "s.spend(l, now, used)",
		new: "s.spend(l, now, 0*used)",
	},
	{
		name: "a refusal is charged",
		file: "algorithm/record.go", by: memory,
		old: "charge := fits && !req.Peek && req.Cost > 0",
		new: "charge := !req.Peek && req.Cost > 0",
	},
	{
		name: "one limit is charged though another refused",
		file: "algorithm/record.go", by: memory,
		old: "		if charge {\n",
		new: "		if charge || !req.Peek && req.Cost <= l.Capacity()-s.usedNow {\n			replaced = true\n",
	},
	{
		name: "the last limit alone decides",
		file: "algorithm/record.go", by: memory,
		old: "fits = fits && req.Cost <= l.Capacity()-used",
		new: "fits = req.Cost <= l.Capacity()-used",
	},
	{
		name: "a peek is charged",
		file: "algorithm/record.go", by: memory,
		old: "charge := fits && !req.Peek && req.Cost > 0",
		new: "charge := fits && req.Cost > 0",
	},
}
