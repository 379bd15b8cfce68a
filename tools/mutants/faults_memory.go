package main

// holding are the promises about what a connection of the door for clients of Redis holds.
var holding = suite{dir: "server/respapi", run: "^Test(QuietConnections|SlowReaders|AnswersInParts|Shutdown|Lines)$"}

// memoryFaults are in how much is held for a client of Redis.
var memoryFaults = []fault{
	{
		name: "a quiet connection keeps what it has needed once",
		file: "server/respapi/memory.go", by: holding,
		old: "held == 0 || held+quietTime > now",
		new: "held == 0 || held+1000*quietTime > now",
	},
	{
		name: "a word now and then keeps what a burst has taken",
		file: "server/respapi/session.go", by: holding,
		old: "		if s.much {\n",
		new: "		if s.much || s.wide {\n",
	},
	{
		name: "what was parsed keeps the buffer that it was in",
		file: "server/respapi/memory.go", by: holding,
		old: "s.in, s.parser = in, parser{}",
		new: "s.in = in",
	},
	{
		name: "a quiet connection keeps the memory of its batches",
		file: "server/respapi/memory.go", by: holding,
		old: "	s.pending, s.reply.b = pending{}, nil\n",
		new: "",
	},
	{
		name: "a quiet connection keeps its place among those that may hold much",
		file: "server/respapi/memory.go", by: holding,
		old: "		s.wide = false\n		s.door.wide.Add(-1)\n",
		new: "",
	},
	{
		name: "everybody may hold much at once",
		file: "server/respapi/memory.go", by: holding,
		old: "if s.door.wide.Add(1) > s.door.mostWide {",
		new: "if s.door.wide.Add(1) < 0 {",
	},
	{
		name: "the answers of a batch are held until all are there",
		file: "server/respapi/pending.go", by: holding,
		old: "		s.reply.answerCheck(&results[0], c.peek)\n		results = results[1:]\n		s.spill()\n",
		new: "		s.reply.answerCheck(&results[0], c.peek)\n		results = results[1:]\n",
	},
	{
		name: "a long text is answered as one",
		file: "server/respapi/connecting.go", by: holding,
		old: "		text = text[narrowReply:]\n		s.spill()\n",
		new: "		text = text[narrowReply:]\n",
	},
	{
		name: "a read that was ended to let go of memory ends the connection",
		file: "server/respapi/session.go", by: holding,
		old: "			if s.isCalmed(err) {\n				s.letGo()\n				continue\n			}\n",
		new: "			if s.isCalmed(err) {\n				s.letGo()\n			}\n",
	},
	{
		name: "a read that was ended to let go of memory ends at once ever after",
		file: "server/respapi/memory.go", by: holding,
		old: "		_ = s.conn.SetReadDeadline(time.Time{})\n",
		new: "",
	},
	{
		name: "a word of a line is written over one that is yet to be read",
		file: "server/respapi/reader.go", by: holding,
		old: "p.unquoted = line[:0]",
		new: "p.unquoted = line[:min(1, len(line))]",
	},
	{
		name: "a key that is looked for is answered as one",
		file: "server/respapi/commands.go", by: holding,
		old: "		s.echo(args[2:]) // a key can be as long\n",
		new: "		r.text(string(args[3]))\n",
	},
}
