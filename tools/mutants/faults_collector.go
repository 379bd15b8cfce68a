package main

// collectorFaults are in how often a server collects its garbage.
var collectorFaults = []fault{
	{
		name: "ballast: it is collected",
		file: "server/cmd/sluice/ballast.go", by: suite{dir: "server/cmd/sluice", run: "^TestBallast$"},
		old: "func (b ballast) keep() { runtime.KeepAlive(b) }",
		new: "func (b ballast) keep() { _ = runtime.NumCPU }",
	},
	{
		name: "ballast: there is one where the collector is tuned",
		file: "server/cmd/sluice/ballast.go", by: suite{dir: "server/cmd/sluice", run: "^TestBallast$"},
		old: "env(\"GOMEMLIMIT\") != \"\"",
		new: "env(\"GOMEMLIMIT\") == \"no\"",
	},
}
