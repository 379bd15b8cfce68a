package main

// chaosFaults are what breaking whole servers has brought to light, and what the checker of that would miss.
var chaosFaults = []fault{
	{
		name: "a check that comes too late has all of its time again",
		file: "engine/check.go", by: suite{dir: "engine", run: "TestAStaleCheckHasOneDeadline"},
		old: "if a.cancel == nil && e.deadline > 0 {",
		new: "if a.cancel == nil && e.deadline < 0 {",
	},
	{
		name: "the checker excuses a late answer on a machine that did not stand still",
		file: "server/e2e/chaos/check/answers.go", by: suite{dir: "server/e2e/chaos/check", run: "TestInTime"},
		old: "stalled == 0 || c.Took >",
		new: "c.Took >",
	},
	{
		name: "the checker thinks a server gone after three seconds without Redis",
		file: "server/e2e/chaos/check/share.go", by: suite{dir: "server/e2e/chaos/check", run: "TestShares"},
		old: "apartTime = 7e9",
		new: "apartTime = 3e9",
	},
}
