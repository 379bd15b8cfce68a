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
	{
		name: "the checker lets what one server admits stand for what all do",
		file: "server/e2e/chaos/check/share.go", by: suite{dir: "server/e2e/chaos/check", run: "TestSharesLookedAt"},
		old: "s.hold(r, Alone, era)",
		new: "s.hold(r, Shares, era)",
	},
	{
		name: "the checker does not know a key of Envoy's",
		file: "server/e2e/chaos/check/after.go", by: suite{dir: "server/e2e/chaos/check", run: "TestExpiry"},
		old: `if strings.HasPrefix(name, "~envoy.") {`,
		new: `if strings.HasPrefix(name, "envoy.") {`,
	},
	{
		name: "the checker counts refusals as looked at of which it knows nothing",
		file: "server/e2e/chaos/check/refusal.go", by: suite{dir: "server/e2e/chaos/check", run: "TestRefusalLooked"},
		old: "if cost > 0 && least >= cost || least > 0",
		new: "if cost > 0 || least > 0",
	},
	{
		name: "a rule that looks at nothing on one topology is not seen",
		file: "server/e2e/chaos/main.go", by: suite{dir: "server/e2e/chaos", run: "TestIdle"},
		old: "if s.looked[topology][rule] == 0 &&",
		new: "if s.lookedAt(rule) == 0 &&",
	},
}
