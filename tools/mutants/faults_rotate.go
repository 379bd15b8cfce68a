package main

// rotateFaults are what the checker of make chaos would miss of certificates and tokens that are rotated.
var rotateFaults = []fault{
	{
		name: "the checker lets a token count that was taken out",
		file: "server/e2e/chaos/check/rotated.go", by: suite{dir: "server/e2e/chaos/check", run: "TestRotated"},
		old: "case shown.Counts && secret.To > 0 &&",
		new: "case shown.Counts && secret.To < 0 &&",
	},
	{
		name: "the checker lets a new token not count",
		file: "server/e2e/chaos/check/rotated.go", by: suite{dir: "server/e2e/chaos/check", run: "TestRotated"},
		old: "case !shown.Counts && must(shown, secret.From, shown.Asked)",
		new: "case !shown.Counts && must(shown, shown.Asked, shown.Asked)",
	},
	{
		name: "the checker does not mind that nobody has looked",
		file: "server/e2e/chaos/check/rotated.go", by: suite{dir: "server/e2e/chaos/check", run: "TestRotated"},
		old: "s.Asked > from+reload && (to == 0",
		new: "s.Asked > from && (to == 0 || true",
	},
	{
		name: "the checker does not mind that somebody is denied",
		file: "server/e2e/chaos/check/rotated.go", by: suite{dir: "server/e2e/chaos/check", run: "TestDenied"},
		old: "c.Ending == record.Denied {",
		new: "c.Ending == record.Denied && c.Door == record.Doors {",
	},
	{
		name: "the checker gives a server more time than the docs do",
		file: "server/e2e/chaos/check/rotated.go", by: suite{dir: "server/e2e/chaos/check", run: "TestRotated"},
		old: "const reload = 1e9",
		new: "const reload = 2e9",
	},
}
