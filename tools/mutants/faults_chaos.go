package main

// chaosFaults are what breaking whole servers has brought to light.
var chaosFaults = []fault{
	{
		name: "a check that comes too late has all of its time again",
		file: "engine/check.go", by: suite{dir: "engine", run: "TestAStaleCheckHasOneDeadline"},
		old: "if a.cancel == nil && e.deadline > 0 {",
		new: "if a.cancel == nil && e.deadline < 0 {",
	},
}
