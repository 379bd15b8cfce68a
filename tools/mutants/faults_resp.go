package main

// respFaults are in the door for clients of Redis, and in what the engine has for it.
var respFaults = []fault{
	{
		name: "a fraction of a second counts for nothing",
		file: "server/respapi/throttle.go", by: resp,
		old: "if d%time.Second >= time.Millisecond {",
		new: "if d%time.Second >= time.Second {",
	},
	{
		name: "the least fraction of a second counts as a whole one",
		file: "server/respapi/throttle.go", by: resp,
		old: "if d%time.Second >= time.Millisecond {",
		new: "if d%time.Second > 0 {",
	},
	{
		name: "a look takes a unit",
		file: "server/respapi/throttle.go", by: resp,
		old: "case t.closed || quantity == 0:\n		q.Peek = true",
		new: "case t.closed || quantity == 0:\n		q.Cost = 1",
	},
	{
		name: "a bucket has no unit besides its burst",
		file: "server/respapi/throttle.go", by: resp,
		old: "rate{max(1, t.limit), count, seconds}",
		new: "rate{max(1, burst), count, seconds}",
	},
	{
		name: "keys of one batch are taken for each other",
		file: "server/respapi/pending.go", by: resp,
		old: "p.rules.Queries[i].Key, keys = keys[:t.keyLength], keys[t.keyLength:]",
		new: "p.rules.Queries[i].Key = keys[:t.keyLength]",
	},
	{
		name: "each check of a pipeline is decided for itself",
		file: "server/respapi/pending.go", by: resp,
		old: "len(p.checks) > 0 || s.full(len(p.throttles))",
		new: "len(p.checks) > 0 || len(p.throttles) == 1",
	},
	{
		name: "an answer overtakes those before it",
		file: "server/respapi/session.go", by: resp,
		old: `if fault != "" || !c.joins {`,
		new: `if fault != "" {`,
	},
	{
		name: "who has given no password may ask",
		file: "server/respapi/session.go", by: resp,
		old: "case !s.known() && (c == nil || !c.open):",
		new: "case !s.known() && c == nil:",
	},
	{
		name: "who comes from elsewhere administers",
		file: "server/respapi/proof.go", by: resp,
		old: "case !s.door.guarded() && s.loopback:",
		new: "case !s.door.guarded():",
	},
	{
		name: "a page in a browser is heard out",
		file: "server/respapi/reader.go", by: resp,
		old: `bytes.Contains(line, []byte(" HTTP/"))`,
		new: `bytes.Contains(line, []byte(" HTTP/9"))`,
	},
	{
		name: "a command has as many arguments as it says",
		file: "server/respapi/reader.go", by: resp,
		old: "err != nil || count > maxArgs",
		new: "err != nil || count > 1<<30",
	},
	{
		name: "a part of a command is waited for without end",
		file: "server/respapi/session.go", by: resp,
		old: "case used > 0 || !begun:",
		new: "case used > 1<<30 && begun:",
	},
	{
		name: "a client that takes no answers is waited for",
		file: "server/respapi/session.go", by: resp,
		old: "	s.due.Store(s.door.seconds.Load() + 1 + writeTime)\n	_, err := s.conn.Write(s.reply.b)",
		new: "	_, err := s.conn.Write(s.reply.b)",
	},
	{
		name: "a rule that is to tell the store's error says what on_error says",
		file: "engine/rule.go", by: engine,
		old: "if r.Err == nil || !q.Rule.storeErrors {",
		new: "if true {",
	},
	{
		name: "checks that ended alike are counted as one",
		file: "engine/rule.go", by: engine,
		old: "		t.of.More++\n",
		new: "		t.of.More = 0\n",
	},
}
