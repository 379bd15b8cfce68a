package main

// fleetFaults are in what the servers of a fleet share, and in how they change it.
var fleetFaults = []fault{
	{
		name: "an expectation that others have overtaken holds",
		file: "store/redisstore/scripts/commit.lua", by: redisLedger,
		old: "if current ~= revision then",
		new: "if current < revision then",
	},
	{
		name: "a change is carried out before it is due",
		file: "store/redisstore/scripts/commit.lua", by: redisLedger,
		old: "if now < due then",
		new: "if now < 0 then",
	},
	{
		name: "a version is given twice where the clock has gone back",
		file: "store/redisstore/scripts/commit.lua", by: redisLedger,
		old: "math.max(version + 1, now, restore + 1)",
		new: "math.max(version, now, restore + 1)",
	},
	{
		name: "a log keeps a line more than it should",
		file: "store/redisstore/scripts/commit.lua", by: redisLedger,
		old: "'MAXLEN', '=', keep, '*'",
		new: "'MAXLEN', '=', keep + 1, '*'",
	},
	{
		name: "older contents are brought back in the place of newer",
		file: "store/redisstore/scripts/commit.lua", by: redisLedger,
		old: "version ~= 0 and (restored == 0 or restored >= restore)",
		new: "version ~= 0 and restored == 0",
	},
	{
		name: "an expectation that others have overtaken holds",
		file: "store/ledger/memory.go", by: memoryLedger,
		old: ".Revision; current != e.Revision {",
		new: ".Revision; current < e.Revision {",
	},
	{
		name: "a change is carried out before it is due",
		file: "store/ledger/memory.go", by: memoryLedger,
		old: "if now < c.Due {",
		new: "if now < 0 {",
	},
	{
		name: "a version is given twice where the clock stands",
		file: "store/ledger/memory.go", by: memoryLedger,
		old: "max(m.version+1, Version(now), c.Restore+1)",
		new: "max(m.version, Version(now), c.Restore+1)",
	},
	{
		name: "a log keeps a line more than it should",
		file: "store/ledger/memory.go", by: memoryLedger,
		old: "old := len(l.lines) - a.Keep; old > 0",
		new: "old := len(l.lines) - a.Keep - 1; old > 0",
	},
	{
		name: "two servers that begin a tick together both do it",
		file: "control/tick.go", by: ticks,
		old: "v.expectSchedule(s.Name), v.expectTick(s.Name))",
		new: "v.expectSchedule(s.Name))",
	},
	{
		name: "a tick is not noted as done",
		file: "control/tick.go", by: ticks,
		old: "change.Put = append(change.Put, tickEntry(s.Name, at))",
		new: "change.Put = append(change.Put, tickEntry(s.Name, at-1e6))",
	},
	{
		name: "a reset does not move the instant from which counters count",
		file: "control/policies.go", by: fleet,
		old: "p.ResetAt = max(p.ResetAt+1, now)",
		new: "p.ResetAt = min(p.ResetAt, now)",
	},
	{
		name: "a change of a policy takes back its reset",
		file: "control/policies.go", by: fleet,
		old: "if p.ResetAt = held.ResetAt; there {",
		new: "if there {",
	},
	{
		name: "what was done to a key stays in the outbox",
		file: "control/outbox.go", by: fleet,
		old: "		Delete: []ledger.Entry{{Kind: outboxKind, Name: e.Name}},\n",
		new: "",
	},
	{
		name: "a file of before is applied again at a start",
		file: "control/file.go", by: fleet,
		old: "if digest == base.Digest || !slices.Contains(base.Earlier, digest) {",
		new: "if !slices.Contains(base.Earlier, digest) || len(base.Earlier) > 0 {",
	},
	{
		name: "an override of a policy's document holds until somebody changes something",
		file: "control/follow.go", by: fleet,
		old: "end.IsZero() || now < sluice.Tick(end.UnixMicro()) {",
		new: "end.IsZero() || now > 0 {",
	},
	{
		name: "a view outlives an override that it holds",
		file: "control/follow.go", by: fleet,
		old: "until = min(until, end.UnixMicro())",
		new: "until = min(until, until+end.UnixMicro())",
	},
	{
		name: "a view holds for ten seconds",
		file: "control/control.go", by: fleet,
		old: "viewLife = time.Second",
		new: "viewLife = 10 * time.Second",
	},
	{
		name: "what is known does not do where the ledger cannot be reached",
		file: "control/follow.go", by: fleet,
		old: "		c.before.Store(0)\n",
		new: "",
	},
	{
		name: "a change stands alone in a ledger that has lost everything",
		file: "control/view.go", by: fleet,
		old: "if base.Revision != 0 && ",
		new: "if base.Revision < 0 && ",
	},
	{
		name: "what a ledger has lost is not written again",
		file: "control/follow.go", by: fleet,
		old: "case version == 0 && held.version != 0:",
		new: "case version == 0 && held.version < 0:",
	},
	{
		name: "a policy's old snapshot is decided by under the new one's time",
		file: "engine/check.go", by: engine,
		old: `		before := e.view.Before() // and then the snapshot, which may be of a later view but of none before
		if attempt == attempts {
			before = 0
		}
		p, err := find(e.Snapshot(), q)`,
		new: `		p, err := find(e.Snapshot(), q)
		before := e.view.Before()
		if attempt == attempts {
			before = 0
		}`,
	},
	{
		name: "a batch's old snapshot is decided by under the new one's time",
		file: "engine/check.go", by: engine,
		old: `		before   = e.view.Before() // and then the snapshot, as in Check
		snapshot = e.Snapshot()`,
		new: `		snapshot = e.Snapshot()
		before   = e.view.Before()`,
	},
	{
		name: "a check that never has a fresh snapshot is asked once too often",
		file: "engine/check.go", by: engine,
		old: "		if attempt == attempts {\n",
		new: "		if attempt > attempts {\n",
	},
	{
		name: "refusals in the shadow count towards a penalty",
		file: "engine/check.go", by: engine,
		old: "Uncounted: p.Shadow",
		new: "Uncounted: p.Shadow && q.Peek",
	},
	{
		name: "a tick in the hour that clocks skip is lost",
		file: "schedule/tick.go", by: cron,
		old: "c.times.next(p.skipped, p.begin+p.offset)",
		new: "c.times.next(p.first, p.begin+p.offset)",
	},
	{
		name: "a tick in the hour that clocks show twice comes twice",
		file: "schedule/tick.go", by: cron,
		old: "min(seen, shown), max(seen, shown)",
		new: "min(seen, shown), shown",
	},
	{
		name: "of all the ticks that were missed one is carried out",
		file: "schedule/due.go", by: cron,
		old: "most = min(due, MaxMissed)",
		new: "most = min(due, 1+0*MaxMissed)",
	},
	{
		name: "ticks that were missed are carried out where they are to be skipped",
		file: "schedule/due.go", by: cron,
		old: "from = max(from, now.Add(-Grace-1).Unix()+1)",
		new: "from = max(from, now.Add(-1000*Grace).Unix())",
	},
	{
		name: "a count is moved beyond its bound",
		file: "schedule/adjust.go", by: cron,
		old: "count := min(max(old.Count()+a.By, least), greatest)",
		new: "count := max(old.Count()+a.By, min(least, greatest))",
	},
}
