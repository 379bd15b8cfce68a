package main

// The suites that notice faults in what strangers can have the gRPC door hold.
var (
	patience = suite{dir: "server/envoyrls", run: "^Test(ReceiveTime|Deadlines|Watch)$"}
	guarding = suite{dir: "server/envoyrls", run: "^Test(Aside|TokenBeforeMessage|Panic)$"}
	measured = suite{dir: "server/envoyrls", run: "^Test(DecodedMemory|Count|TooMuch)$"}
	giving   = suite{dir: "server/envoyrls", run: "^Test(NegativeHits|Metrics)$"}
	crumbs   = suite{dir: "server/envoyrls", run: "^Test(Crumbs|WindowStays)"}
	inVain   = suite{dir: "server/envoyrls", run: "^Test(InVain|ManyCalls)$"}
	aged     = suite{dir: "server/envoyrls", run: "^Test(Age|Header)"}
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
		old: "			if err := g.begin(ctx, method); err != nil {\n				return nil, err\n			}\n			defer g.end(ctx, method)\n			return handler(srv, ctx, bound(decode), interceptor)\n",
		new: "			answer, late := handler(srv, ctx, bound(decode), interceptor)\n			if err := g.begin(ctx, method); err != nil {\n				return nil, err\n			}\n			defer g.end(ctx, method)\n			return answer, late\n",
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
	{
		name: "a request is decoded, whatever is in it",
		file: "server/envoyrls/codec.go", by: measured,
		old: "if b.err = size(count(whole.ReadOnlyData())); b.err != nil {",
		new: "if b.err = size(0, 0); b.err != nil {",
	},
	{
		name: "entries are not counted",
		file: "server/envoyrls/codec.go", by: measured,
		old: "each(descriptor, entriesField, func([]byte) { entries++ })",
		new: "_ = descriptor",
	},
	{
		name: "what is refused before it is decoded is told as a fault of the server",
		file: "server/envoyrls/codec.go", by: measured,
		old: "		return nil\n	}\n	return c.CodecV2.Unmarshal(mem.BufferSlice{whole}, b.request)",
		new: "		return b.err\n	}\n	return c.CodecV2.Unmarshal(mem.BufferSlice{whole}, b.request)",
	},
	{
		name: "messages may be as long as the library allows",
		file: "server/envoyrls/serve.go", by: measured,
		old: "		grpc.MaxRecvMsgSize(maxMessage),\n",
		new: "",
	},
	{
		name: "JSON is decoded, whatever is in it",
		file: "server/envoyrls/json.go", by: measured,
		old: "if tooManyObjects(body) {",
		new: "if len(body) > maxMessage {",
	},
	{
		name: "a body of JSON may be of any length",
		file: "server/envoyrls/json.go", by: measured,
		old: "http.MaxBytesReader(w, r.Body, maxMessage)",
		new: "http.MaxBytesReader(w, r.Body, 16*maxMessage)",
	},
	{
		name: "what should be given back is taken",
		file: "server/envoyrls/service.go", by: giving,
		old: "	if q.refund {\n		return engine.RuleQuery{",
		new: "	if q.refund && q.addend == 0 {\n		return engine.RuleQuery{",
	},
	{
		name: "more than a store can count is given back to nobody",
		file: "server/envoyrls/service.go", by: giving,
		old: "q.refund, q.addend = true, min(q.addend, sluice.MaxCount)",
		new: "q.refund = true",
	},
	{
		name: "a refund that did not arrive refuses",
		file: "server/envoyrls/service.go", by: giving,
		old: "	if err != nil {\n		a.Decision = sluice.Decision{Allowed: true,",
		new: "	if err != nil {\n		a.Decision = sluice.Decision{Allowed: false,",
	},
	{
		name: "a refund is a quota that has room",
		file: "server/envoyrls/answer.go", by: giving,
		old: "if q.unlimited || q.refund {",
		new: "if q.unlimited {",
	},
	{
		name: "a refund is counted as hits",
		file: "server/envoyrls/answer.go", by: giving,
		old: "!q.unlimited && !q.refund {",
		new: "!q.unlimited {",
	},
	{
		name: "pieces of messages may be as small as can be",
		file: "server/envoyrls/serve.go", by: crumbs,
		old: "meter(cfg.Credentials, age+age/10+grace+endTime)",
		new: "meter(cfg.Credentials, age+age/10+grace+endTime).TransportCredentials",
	},
	{
		name: "a crumb among padding is none",
		file: "server/envoyrls/meter.go", by: crumbs,
		old: "(c.rest < crumb || flags.Has(http2.FlagDataPadded))",
		new: "c.rest < crumb",
	},
	{
		name: "who ends each message with a piece of its own is hung up on",
		file: "server/envoyrls/meter.go", by: crumbs,
		old: "!flags.Has(http2.FlagDataEndStream) && ",
		new: "",
	},
	{
		name: "calls make up for no crumbs",
		file: "server/envoyrls/meter.go", by: crumbs,
		old: "c.crumbs = min(c.crumbs+crumbsOfCall, mostCrumbs)",
		new: "c.crumbs = min(c.crumbs, mostCrumbs)",
	},
	{
		name: "a head that comes in two pieces is forgotten",
		file: "server/envoyrls/meter.go", by: crumbs,
		old: "copy(c.head[c.known:], b)",
		new: "copy(c.head[:], b)",
	},
	{
		name: "a call may send more before it is read where its client sends much",
		file: "server/envoyrls/serve.go", by: crumbs,
		old: "		grpc.StaticStreamWindowSize(maxMessage), // else it grows to 16 MiB where a client sends much\n		grpc.StaticConnWindowSize(connWindow),\n",
		new: "",
	},
	{
		name: "a call that panics ends the process",
		file: "server/envoyrls/guard.go", by: guarding,
		old: "if fault := recover(); fault != nil {",
		new: "if fault := any(nil); fault != nil {",
	},
	{
		name: "a call of many messages that panics ends the process",
		file: "server/envoyrls/guard.go", by: guarding,
		old: "stream grpc.ServerStream) (err error) {\n			defer g.recovered(method, &err)\n",
		new: "stream grpc.ServerStream) (err error) {\n",
	},
	{
		name: "a call that panics is answered nothing",
		file: "server/envoyrls/guard.go", by: guarding,
		old: "		*err = errFault\n",
		new: "		_ = errFault\n",
	},
	{
		name: "headers that begin no call are not counted",
		file: "server/envoyrls/meter.go", by: inVain,
		old: "		c.vain++\n",
		new: "",
	},
	{
		name: "calls count as what comes in vain",
		file: "server/envoyrls/meter.go", by: inVain,
		old: "func (c *meteredConn) begun() { c.vain-- }",
		new: "func (c *meteredConn) begun() {}",
	},
	{
		name: "settings are not counted",
		file: "server/envoyrls/meter.go", by: inVain,
		old: "		c.vain += 1 + c.rest/settingsLength\n",
		new: "",
	},
	{
		name: "settings count as one, however many they are",
		file: "server/envoyrls/meter.go", by: inVain,
		old: "c.vain += 1 + c.rest/settingsLength",
		new: "c.vain++",
	},
	{
		name: "much may come in vain",
		file: "server/envoyrls/meter.go", by: inVain,
		old: "mostVain = 1000",
		new: "mostVain = 2000",
	},
	{
		name: "a connection lasts for as long as its client likes",
		file: "server/envoyrls/serve.go", by: aged,
		old: "MaxConnectionAge: age, ",
		new: "",
	},
	{
		name: "a connection has no end while its client is waited for",
		file: "server/envoyrls/meter.go", by: aged,
		old: "func() { _ = raw.Close() }",
		new: "func() {}",
	},
	{
		name: "the timer of a connection outlasts it",
		file: "server/envoyrls/meter.go", by: aged,
		old: "	c.end.Stop()\n",
		new: "",
	},
	{
		name: "the header of a request may be as long as a message",
		file: "server/envoyrls/serve.go", by: aged,
		old: "maxHeader = 16 << 10",
		new: "maxHeader = 64 << 10",
	},
}
