package main

var metrics = suite{dir: "server/telemetry", run: "^TestObserve$"}

// evidenceFaults are in what a caller's own doing is taken for.
var evidenceFaults = []fault{
	{
		name: "a caller's short deadline makes the store out to fail",
		file: "engine/health.go", by: engine,
		old: "case ctx.Err() != nil && waited < h.short:",
		new: "case ctx.Err() != nil && waited < 0:",
	},
	{
		name: "a deadline that the store has let pass is no evidence",
		file: "engine/health.go", by: engine,
		old: "case ctx.Err() != nil && waited < h.short:",
		new: "case ctx.Err() != nil && waited <= h.short:",
	},
	{
		name: "how long a caller waited is not known where nobody watches",
		file: "engine/observe.go", by: engine,
		old: "	if e.observer == nil && e.deadline <= 0 {\n		return 0\n",
		new: "	if e.observer == nil {\n		return 0\n",
	},
	{
		name: "what a caller abandoned counts as an error of the store",
		file: "server/telemetry/telemetry.go", by: metrics,
		old: "if o.Abandoned {",
		new: "if false {",
	},
}
