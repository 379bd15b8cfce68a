package main

var (
	turns        = suite{dir: "internal/giveway"}
	turnsOfRules = suite{dir: "engine", run: "^TestOthersRun"}
	turnsOfStore = suite{dir: "store/memstore", run: "^TestOthersRun"}
)

// givewayFaults are in how long one caller keeps the processor.
var givewayFaults = []fault{
	{
		name: "others never run",
		file: "internal/giveway/giveway.go", by: turns,
		old: "now.Sub(t.began) >= turn", new: "now.Sub(t.began) < 0",
	},
	{
		name: "others run whenever the clock is read",
		file: "internal/giveway/giveway.go", by: turns,
		old: "now.Sub(t.began) >= turn", new: "now.Sub(t.began) >= 0",
	},
	{
		name: "a turn is over before it has begun",
		file: "internal/giveway/giveway.go", by: turns,
		old: "case t.began.IsZero():\n\t\tt.began = now\n\tcase", new: "case",
	},
	{
		name: "others wait for all decisions by rules",
		file: "engine/rule.go", by: turnsOfRules,
		old: "turn.Before(i)", new: "turn.Before(1)",
	},
	{
		name: "others wait for all checks of the embedded store",
		file: "store/memstore/memstore.go", by: turnsOfStore,
		old: "turn.Before(i)", new: "turn.Before(1)",
	},
}
