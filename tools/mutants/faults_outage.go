package main

// The suites of what holds while the store is away.
var (
	breaking = suite{dir: "store/breaker"}
	shares   = suite{dir: ".", run: "^TestShare"}
	alone    = suite{dir: "engine", run: "^Test(Fleet|Share|Local)"}
	beats    = suite{dir: "store/redisstore", run: "^Test(Beat|ServersLost|Part$)"}
	ranking  = suite{dir: "server", run: "^TestFleetBelieves"}
	outage   = suite{dir: "server", run: "^TestOutage$"}
	writing  = suite{dir: "engine", run: "^TestOnlyLooks"}
	sources  = suite{dir: "server/httpapi", run: "^TestAuthorizeSays"}
)

// outageFaults are in what is answered while the store does not answer.
var outageFaults = []fault{
	{
		name: "a store that only answers looks is well",
		file: "engine/health.go", by: writing,
		old: " || h.unwritten && !writes",
		new: "",
	},
	{
		name: "a refusal shows that a store writes",
		file: "engine/health.go", by: writing,
		old: "(err != nil || allowed)",
		new: "(err != nil || allowed || !allowed)",
	},
	{
		name: "shares are rounded up",
		file: "limit.go", by: shares,
		old: "if int64(i) < units%int64(n) {",
		new: "if units%int64(n) > 0 {",
	},
	{
		name: "the burst is not shared",
		file: "limit.go", by: shares,
		old: "		l.burst = part(l.burst)\n",
		new: "",
	},
	{
		name: "every share has a unit",
		file: "limit.go", by: shares,
		old: "return l, l.count > 0 && l.Capacity() > 0",
		new: "l.count = max(l.count, 1)\n	return l, l.Capacity() > 0",
	},
	{
		name: "each server has the whole limit",
		file: "engine/fallback.go", by: alone,
		old: "part, ok := l.Share(index, count)",
		new: "part, ok := l.Share(0, min(count, 1))",
	},
	{
		name: "shares are not made anew when a server goes",
		file: "engine/fallback.go", by: alone,
		old: "if all == nil || all.index != index || all.count != count {",
		new: "if all == nil {",
	},
	{
		name: "a share of nothing is the whole limit",
		file: "engine/fallback.go", by: alone,
		old: "if s.some && req.Cost > 0 {",
		new: "if false {",
	},
	{
		name: "a cost beyond the share is told that it never fits",
		file: "engine/fallback.go", by: alone,
		old: "if l.RetryAfter == sluice.Never && req.Cost <= ",
		new: "if l.RetryAfter == sluice.Never && req.Cost < -",
	},
	{
		name: "a decision by a share says that the store made it",
		file: "engine/fallback.go", by: alone,
		old: "	d.Source = sluice.SourceFallback\n	for i, l := range",
		new: "	for i, l := range",
	},
	{
		name: "a caller who has gone gets no decision by a share",
		file: "engine/fallback.go", by: alone,
		old: "f.store.Check(context.WithoutCancel(ctx), ask)",
		new: "f.store.Check(ctx, ask)",
	},
	{
		name: "a refund takes a unit of the share",
		file: "engine/check.go", by: alone,
		old: "if cause != nil && p.OnError == sluice.Local && q.Refund == 0 {",
		new: "if cause != nil && p.OnError == sluice.Local {",
	},
	{
		name: "calls that leave together fail more than once",
		file: "store/breaker/part.go", by: breaking,
		old: "start-p.latest >= apart {",
		new: "start-p.latest >= 0 {",
	},
	{
		name: "an answer does not end a row of failures",
		file: "store/breaker/part.go", by: breaking,
		old: "	if p.row.Load() != 0 {\n		p.row.Store(0)\n	}\n",
		new: "",
	},
	{
		name: "failures in between answers do not open",
		file: "store/breaker/part.go", by: breaking,
		old: ">= mostInARow || p.halfFails(now)",
		new: ">= mostInARow",
	},
	{
		name: "each part of a node that has failed takes three calls",
		file: "store/breaker/part.go", by: breaking,
		old: "return suspect || ",
		new: "return ",
	},
	{
		name: "a third of failures is half of them",
		file: "store/breaker/part.go", by: breaking,
		old: "2*failed >= all",
		new: "3*failed >= all",
	},
	{
		name: "a state that nobody can read opens, where it may have been charged",
		file: "store/breaker/breaker.go", by: breaking,
		old: "case err == nil, errors.Is(err, sluice.ErrForeignState), ",
		new: "case err == nil, ",
	},
	{
		name: "a number of servers is believed that was told just now, after another that was too small as well",
		file: "server/fleet.go", by: ranking,
		old: "f.fewer.IsZero() || less",
		new: "f.fewer.IsZero() || less && false",
	},
	{
		name: "a server that finds Redis again first believes that it is alone",
		file: "server/fleet.go", by: ranking,
		old: "case now.Sub(f.fewer) < settleTime:\n\t\treturn\n",
		new: "",
	},
	{
		name: "a server counts as gone while others have not lost Redis yet",
		file: "store/redisstore/beat.go", by: beats,
		old: "BeatLife = 10 * time.Second",
		new: "BeatLife = 3 * time.Second",
	},
	{
		name: "a beat that fails leaves the time for which fewer servers were told",
		file: "server/fleet.go", by: ranking,
		old: "case err != nil:\n\t\tf.fewer = time.Time{}\n",
		new: "case err != nil:\n",
	},
	{
		name: "what the store refuses opens",
		file: "store/breaker/breaker.go", by: breaking,
		old: "case err == nil, errors.Is(err, sluice.ErrForeignState), !errors.Is(err, sluice.ErrNotSent) && !errors.Is(err, sluice.ErrUncertain):",
		new: "case err == nil:",
	},
	{
		name: "callers who give up early open",
		file: "store/breaker/breaker.go", by: breaking,
		old: "case ctx.Err() != nil && s.now()-start < s.config.Timeout/2:",
		new: "case false:",
	},
	{
		name: "nobody looks for callers with short deadlines",
		file: "store/breaker/breaker.go", by: breaking,
		old: "		if s.now()-start >= doubtTime &&",
		new: "		if s.now()-start >= s.config.Timeout &&",
	},
	{
		name: "the store is looked at only every half second",
		file: "store/breaker/run.go", by: breaking,
		old: "gap = answerGap",
		new: "gap = laterGap",
	},
	{
		name: "looks are made without a pause",
		file: "store/breaker/run.go", by: breaking,
		old: "	laterGap  = 500 * time.Millisecond",
		new: "	laterGap  = time.Millisecond",
	},
	{
		name: "a crowd waits",
		file: "store/breaker/breaker.go", by: breaking,
		old: "case n > most && ",
		new: "case false && ",
	},
	{
		name: "a crowd is turned away from a store that answers",
		file: "store/breaker/breaker.go", by: breaking,
		old: "		if n >= int64(s.config.MaxWaiting)/2 {",
		new: "		if n < 0 {",
	},
	{
		name: "all parts share a state",
		file: "store/breaker/breaker.go", by: breaking,
		old: "if len(s.parts) == 1 {",
		new: "if true {",
	},
	{
		name: "a batch over parts that do not answer counts for none",
		file: "store/breaker/breaker.go", by: breaking,
		old: "if sh.err == nil || s.judge(ctx, sh.start, r.Err) != answered {",
		new: "if false {",
	},
	{
		name: "a server that is gone is counted",
		file: "store/redisstore/scripts/beat.lua", by: beats,
		old: "or seen <= now - life",
		new: "or seen <= now - 2 * life",
	},
	{
		name: "a server from ahead of the clock is counted",
		file: "store/redisstore/scripts/beat.lua", by: beats,
		old: " or seen > now + life",
		new: "",
	},
	{
		name: "the servers stay in Redis for good",
		file: "store/redisstore/scripts/beat.lua", by: beats,
		old: "redis.call('PEXPIRE', KEYS[1], life)\n",
		new: "",
	},
	{
		name: "a server that ends stays counted",
		file: "server/fleet.go", by: outage,
		old: "_ = c.Ledger.Leave(leaving, f.name)",
		new: "_, _, _ = c.Ledger.Beat(leaving, f.name)",
	},
	{
		name: "a single server has the parts of a Cluster, which has one",
		file: "store/redisstore/part.go", by: beats,
		old: "if s.client.Mode() != rueidis.ClientModeCluster {",
		new: "if s.client.Mode() == rueidis.ClientModeCluster {",
	},
	{
		name: "authorize does not say who has decided",
		file: "server/httpapi/authorize.go", by: sources,
		old: "	w.Header().Set(\"X-RL-Source\", answer.Source.String())\n",
		new: "",
	},
}
