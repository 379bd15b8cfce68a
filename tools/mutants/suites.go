package main

// conformance are the flags of the conformance suite. The seed makes it generate the same sequences in every run, so
// that a fault is killed each time or never. A sequence that fails is not made simpler, because nobody reads it.
const conformance = "-rapid.checks=100 -rapid.seed=1 -rapid.shrinktime=1ns -rapid.nofailfile"

// The suites that notice faults.
var (
	core       = suite{dir: ".", run: "^Test(JoinKey|Decision|Wait)"}
	arithmetic = suite{dir: "algorithm"}
	memory     = suite{dir: "store/memstore", run: "^TestConformance$/^sequences,_first", flags: conformance}
	crowd      = suite{dir: "store/memstore", run: "^TestConformance$/^crowded", flags: conformance}
	memstore   = suite{dir: "store/memstore", run: "^Test(MaxKeys|DeadKeys|TheSoonest|RunDrops|WritesSweep|Reset)"}
	redis      = suite{dir: "store/redisstore", run: "^TestConformance$/^sequences,_first", flags: conformance}
	redisGreat = suite{dir: "store/redisstore", run: "^TestConformance$/^extreme", flags: conformance}
	redisCrowd = suite{dir: "store/redisstore", run: "^TestConformance$/^crowded", flags: conformance}
	redisKeys  = suite{dir: "store/redisstore", run: "^Test(ClientOption$|Keys$)"}
	redisOwn   = suite{dir: "store/redisstore", run: "^Test(Flushed|KeyWithout|Foreign|Errors|Refusals|Nothing|OneClock)"}
	combined   = suite{dir: "store/redisstore", run: "^Test(EveryCharge|NothingUnsent|OrderOfOneKey)"}
	engine     = suite{dir: "engine"}
	files      = suite{dir: "policy/filesource", run: "^Test(Parse|Faults)"}
	handler    = suite{dir: "httplimit"}
	api        = suite{dir: "server/httpapi"}
)
