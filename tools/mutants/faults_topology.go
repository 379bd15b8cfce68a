package main

// topologyFaults are in what becomes of checks when Redis refuses them, moves their keys or is another server than before.
var topologyFaults = []fault{
	{
		name: "a check that was sent by a connection that the client closed is said to be not sent",
		file: "store/redisstore/redisstore.go", by: failingOver,
		old: `dial.Op == "dial" || errors.Is(err, rueidis.ErrNoSlot)`,
		new: `dial.Op == "dial" || errors.Is(err, rueidis.ErrClosing) || errors.Is(err, rueidis.ErrNoSlot)`,
	},
	{
		name: "a refusal of Redis leaves open whether the check was charged",
		file: "store/redisstore/redisstore.go", by: refusing,
		old: "if !refusalCode.MatchString(refusal.Error()) { // anything",
		new: "if refusalCode.MatchString(refusal.Error()) { // anything",
	},
	{
		name: "a check of a key whose slot moves is not asked again",
		file: "store/redisstore/call.go", by: resharding,
		old: `refusedWith(reply, "TRYAGAIN") &&`,
		new: `refusedWith(reply, "TRYMORE") &&`,
	},
	{
		name: "a check of a key whose slot moves is asked again until nobody waits any more",
		file: "store/redisstore/call.go", by: resharding,
		old: "ctx.pause(pause, s.timeout/2)",
		new: "ctx.pause(pause, 0)",
	},
	{
		name: "the connection to a master that has become a replica is kept",
		file: "store/redisstore/renew.go", by: renewing,
		old: "if !r.wanted.Load() || client.Mode()",
		new: "if r.wanted.Load() || client.Mode()",
	},
	{
		name: "a connection for which there is no room leaves open whether the check was charged",
		file: "store/redisstore/dial.go", by: refusing,
		old: "if strings.HasPrefix(string(b[:n]), noRoom) {",
		new: "if string(b[:n]) == noRoom {",
	},
	{
		name: "a server that hangs up before it greets leaves open whether the check was charged",
		file: "store/redisstore/dial.go", by: renewing,
		old: "if !g.heard.Load() {\n\t\treturn notConnected(g.address, err)",
		new: "if g.heard.Load() {\n\t\treturn notConnected(g.address, err)",
	},
	{
		name: "what fails after the greeting is said to be not sent",
		file: "store/redisstore/dial.go", by: combinedErrors,
		old: "\t\tg.heard.Store(true)\n",
		new: "",
	},
	{
		name: "one caller takes the room of all",
		file: "store/redisstore/combiner.go", by: batches,
		old: "mostOfOne = mostQueued / 4",
		new: "mostOfOne = mostQueued * 4",
	},
	{
		name: "the pieces of a batch have a timeout each",
		file: "store/redisstore/redisstore.go", by: batches,
		old: "ctx, cancel = context.WithTimeout(ctx, s.timeout)\n\t\tdefer cancel()\n\t}\n\tfor piece",
		new: "ctx, cancel = context.WithTimeout(ctx, 100*s.timeout)\n\t\tdefer cancel()\n\t}\n\tfor piece",
	},
	{
		name: "the slots of a batch are asked one after the other",
		file: "store/redisstore/combiner.go", by: batches,
		old: "l := &q.slots[n]",
		new: "l := &q.slots[0]",
	},
	{
		name: "without the name of the host nothing of a certificate is verified",
		file: "store/redisstore/client.go", by: hostnames,
		old: "\t\t_, err := state.PeerCertificates[0]",
		new: "\t\t_, err := x509.NewCertPool(), error(nil)\n\t\t_, _ = state.PeerCertificates[0]",
	},
}
