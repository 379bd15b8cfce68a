package main

// conformance are the flags of the conformance suite. The seed makes it generate the same sequences in every run, so
// that a fault is killed each time or never. A sequence that fails is not made simpler, because nobody reads it.
const conformance = "-rapid.checks=100 -rapid.seed=1 -rapid.shrinktime=1ns -rapid.nofailfile"

// standings are the promises about blocks, penalties, overrides, resets and refunds.
const standings = "^TestConformance$/" +
	"^(penalty|slow|crowded_refusals|not_counted|refusals_elsewhere|barred|unbar|standing|override|reset|refund|stale|list)"

// The suites that notice faults.
var (
	core           = suite{dir: ".", run: "^Test(JoinKey|Decision|Wait|Aged|Costlier)"}
	calendar       = suite{dir: ".", run: "^TestWindow$"}
	arithmetic     = suite{dir: "algorithm"}
	memory         = suite{dir: "store/memstore", run: "^TestConformance$/^sequences,_first", flags: conformance}
	numbers        = suite{dir: "store/memstore", run: "^TestConformance$/^(extreme_numbers|refund)$", flags: conformance}
	crowd          = suite{dir: "store/memstore", run: "^TestConformance$/^crowded_window", flags: conformance}
	standing       = suite{dir: "store/memstore", run: standings, flags: conformance}
	memstore       = suite{dir: "store/memstore", run: "^Test(MaxKeys|DeadKeys|TheSoonest|RunDrops|WritesSweep|Reset|Blocks|AList|Pages)"}
	entries        = suite{dir: "store/memstore", run: "^Test(LateCaller|NoUnit|EntryIsHeld|EntriesOfFew|AnEntryOf|MemoryIs|Reset)"}
	redis          = suite{dir: "store/redisstore", run: "^TestConformance$/^sequences,_first", flags: conformance}
	redisLives     = suite{dir: "store/redisstore", run: "^TestConformance$/^(time_to_live|extreme_numbers)$", flags: conformance}
	redisCrowd     = suite{dir: "store/redisstore", run: "^TestConformance$/^crowded_window", flags: conformance}
	redisStanding  = suite{dir: "store/redisstore", run: standings, flags: conformance}
	redisCalendar  = suite{dir: "store/redisstore", run: "^TestCalendar"}
	redisKeys      = suite{dir: "store/redisstore", run: "^Test(ClientOption$|Keys$)"}
	redisOwn       = suite{dir: "store/redisstore", run: "^Test(Flushed|KeyWithout|Foreign|Errors|Refusals|Nothing|OneClock|Faded)"}
	redisUsers     = suite{dir: "store/redisstore", run: "^TestTopologies$/^ACL_user$"}
	redisLedger    = suite{dir: "store/redisstore", run: "^TestLedger(|VersionsBeforeTheClock)$"}
	lending        = suite{dir: "store/redisstore", run: "^TestConformance$/^lending$", flags: "-rapid.checks=25"}
	lendingRefund  = suite{dir: "store/redisstore", run: "^TestConformance$/^lending,_refund"}
	leases         = suite{dir: "store/lease"}
	refused        = suite{dir: "store/denycache", flags: "-test.skip=OnRedis -rapid.seed=1 -rapid.shrinktime=1ns -rapid.nofailfile"}
	combined       = suite{dir: "store/redisstore", run: "^Test(EveryCharge|NothingUnsent|OrderOfOneKey|Slots|DecisionsMadeTogether|EqualChecks|SeveralCosts|BucketsBeside|AtTheEdge)"}
	deadlines      = suite{dir: "store/redisstore", run: "^Test(FrozenServerHolds|ErrorsSay)"}
	connecting     = suite{dir: "store/redisstore", run: "^TestConnect(ionsOutlive|ingTakes)"}
	refusing       = suite{dir: "store/redisstore", run: "^TestRefusals$"}
	resharding     = suite{dir: "store/redisstore", run: "^TestResharding$"}
	renewing       = suite{dir: "store/redisstore", run: "^Test(NameLeads|HangsUp)"}
	failingOver    = suite{dir: "store/redisstore", run: "^TestClosedConnections$"}
	combinedErrors = suite{dir: "store/redisstore", run: "^Test(NothingIsSentTwice|ErrorsSay)"}
	hostnames      = suite{dir: "store/redisstore", run: "^TestSkipHostname$"}
	batches        = suite{dir: "store/redisstore", run: "^Test(BatchOnCluster|VeryMany)"}
	memoryLedger   = suite{dir: "store/ledger"}
	fleet          = suite{dir: "control", run: "^Test[^E]"} // not EachTickOnce, which takes seconds
	ticks          = suite{dir: "control", run: "^TestServersTick"}
	cron           = suite{dir: "schedule", run: "^Test(WhenClocks|Due|Adjust)"}
	documents      = suite{dir: "policy"}
	engine         = suite{dir: "engine"}
	files          = suite{dir: "policy/filesource", run: "^Test(Parse|Faults)"}
	handler        = suite{dir: "httplimit"}
	interceptors   = suite{dir: "grpclimit"}
	api            = suite{dir: "server/httpapi"}
	envoy          = suite{dir: "server/envoyrls"}
	envoyFiles     = suite{dir: "server/envoyrls/config", run: "^(Test[^W]|Fuzz)"} // not Watch, which takes seconds
	resp           = suite{dir: "server/respapi"}
	measuring      = suite{dir: "server/cmd/sluice", run: "^Test(Bench|Histogram)"}
	conditions     = suite{dir: "server/httpapi", run: "^Test(Conditions|PutPolicy|Impose)"}
)
