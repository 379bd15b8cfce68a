package main

// The suites that notice what callers bring about by going away.
var (
	metrics = suite{dir: "server/telemetry", run: "^TestObserve$"}
	hasty   = suite{dir: "server", run: "^TestAShortDeadline"}
	audited = suite{dir: "control", run: "^Test(NoChangeOfAKey|WhatIsNotDone|ALineThat)"}
)

// evidenceFaults are in what a caller's own doing is taken for, and in what remains of what he did.
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
		name: "the server does not tell its engine how long the store has",
		file: "server/server.go", by: hasty,
		old: "View: s.control, Deadline: settings.StoreTimeout,",
		new: "View: s.control,",
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
	{
		name: "a key is changed without a line where its caller goes away",
		file: "control/keys.go", by: audited,
		old: "	ctx = context.WithoutCancel(ctx)\n",
		new: "",
	},
	{
		name: "what may have been done to a key has no line",
		file: "control/keys.go", by: audited,
		old: "done != nil && !line.Uncertain {",
		new: "done != nil {",
	},
	{
		name: "a change that takes all of its time leaves none for its line",
		file: "control/keys.go", by: audited,
		old: "context.WithTimeout(ctx, patience) // what is left",
		new: "context.WithTimeout(doing, patience) // what is left",
	},
	{
		name: "a line says that what may have been done was done",
		file: "control/keys.go", by: audited,
		old: "if line.Uncertain = errors.Is(done, sluice.ErrUncertain); done != nil && !line.Uncertain {",
		new: "if uncertain := errors.Is(done, sluice.ErrUncertain); done != nil && !uncertain {",
	},
	{
		name: "a line that cannot be written is in no log",
		file: "control/keys.go", by: audited,
		old: "	c.config.Logger.Error(\"a key was changed, and",
		new: "	c.config.Logger.Debug(\"a key was changed, and",
	},
}
