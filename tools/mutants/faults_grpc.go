package main

// The suites that notice faults in what strangers can have the gRPC door hold.
var (
	patience = suite{dir: "server/envoyrls", run: "^Test(ReceiveTime|Deadlines|Watch)$"}
	guarding = suite{dir: "server/envoyrls", run: "^Test(Aside|TokenBeforeMessage)$"}
	healthy  = suite{dir: "server/envoyrls", run: "^TestSetReady"}
)

// grpcFaults are in the bounds of the gRPC door.
var grpcFaults = []fault{
	{
		name: "only decisions have a time",
		file: "server/envoyrls/patience.go", by: patience,
		old: "	if until, ok := ctx.Deadline(); ok &&",
		new: "	if !decides(info.FullMethodName) {\n		return ctx, nil\n	}\n	if until, ok := ctx.Deadline(); ok &&",
	},
	{
		name: "who begins to watch and says no more is waited for",
		file: "server/envoyrls/patience.go", by: patience,
		old: "time.AfterFunc(receiveTime,",
		new: "time.AfterFunc(defaultWatchTime,",
	},
	{
		name: "a watch has no end",
		file: "server/envoyrls/patience.go", by: patience,
		old: "		timer.Reset(d)\n",
		new: "		_ = d\n",
	},
	{
		name: "a watch ends as if nobody knew the method",
		file: "server/envoyrls/patience.go", by: patience,
		old: "status.Error(codes.Unavailable,",
		new: "status.Error(codes.Unimplemented,",
	},
	{
		name: "a token is looked at when the message has come",
		file: "server/envoyrls/guard.go", by: guarding,
		old: "			if err := g.begin(ctx, method); err != nil {\n				return nil, err\n			}\n			defer g.end(ctx, method)\n			return handler(srv, ctx, decode, interceptor)\n",
		new: "			answer, late := handler(srv, ctx, decode, interceptor)\n			if err := g.begin(ctx, method); err != nil {\n				return nil, err\n			}\n			defer g.end(ctx, method)\n			return answer, late\n",
	},
	{
		name: "a connection may watch as often as it likes",
		file: "server/envoyrls/guard.go", by: guarding,
		old: "if g.aside[from] >= maxAside {",
		new: "if g.aside[from] > 10*maxAside {",
	},
	{
		name: "calls that have ended count still",
		file: "server/envoyrls/guard.go", by: guarding,
		old: "if g.aside[from]--; g.aside[from] == 0 {",
		new: "if g.aside[from] == 0 {",
	},
	{
		name: "decisions count besides themselves",
		file: "server/envoyrls/guard.go", by: guarding,
		old: "	if decides(method) {\n		return nil\n	}\n",
		new: "",
	},
	{
		name: "who watches is woken each time that nothing has changed",
		file: "server/envoyrls/health.go", by: healthy,
		old: "if h.ready == ready {",
		new: "if false {",
	},
}
