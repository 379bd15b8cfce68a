package main

// The suites that notice them.
var (
	fuzzing             = suite{dir: "tools/fuzz"}
	fuzzedReplies       = suite{dir: "store/redisstore", run: "^FuzzUnpack"}
	upstreamEnvironment = suite{dir: "server/envoyrls/environment"}
)

// fuzzFaults are what fuzz tests have found, and what could make them find nothing.
var fuzzFaults = []fault{
	{
		name: "a block that something else wrote lasts less than no time",
		file: "store/redisstore/script.go", by: fuzzedReplies,
		old: "time.Duration(min(n, uint64(sluice.MaxWait/time.Microsecond)))",
		new: "time.Duration(n)",
	},
	{
		name: "a REDIS_URL that is no address is taken",
		file: "server/envoyrls/environment/redis.go", by: upstreamEnvironment,
		old: "if u, err := url.Parse(file.Store); len(r.faults) == faults && (err != nil",
		new: "if u, err := url.Parse(file.Store); len(r.faults) < faults && (err != nil",
	},
	{
		name: "a fuzz test that fails is forgotten when the next one runs",
		file: "tools/fuzz/main.go", by: fuzzing,
		old: "failed = append(failed, err)",
		new: "failed = nil",
	},
}
