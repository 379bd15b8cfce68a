package main

// The suites that notice faults in what strangers have the HTTP doors do.
var (
	onlyHTTP1 = suite{dir: "server", run: "^TestHTTP2$"}
	shakes    = suite{dir: "server", run: "^Test(HTTPLog|BadHandshakes)$"}
	strangers = suite{dir: "server/respapi", run: "^Test(TimeToLogIn|NoCommand)$"}
	untaken   = suite{dir: "server/httpapi", run: "^Test(Untaken|Reckoned)"}
)

// strangersFaults are in what strangers can have the HTTP doors hold and log.
var strangersFaults = []fault{
	{
		name: "a connection has many requests at once",
		file: "server/server.go", by: onlyHTTP1,
		old: "	p.SetHTTP1(true)\n",
		new: "	p.SetHTTP1(true)\n	p.SetUnencryptedHTTP2(true)\n",
	},
	{
		name: "HTTP/2 is agreed on that nobody speaks",
		file: "server/listen.go", by: onlyHTTP1,
		old: "readCertificates(setting, files)",
		new: "readCertificates(setting, files, overGRPC...)",
	},
	{
		name: "each bad handshake is a line",
		file: "server/server.go", by: shakes,
		old: "newHTTPLog(s.logger)",
		new: "slog.NewLogLogger(s.logger.Handler(), slog.LevelWarn)",
	},
	{
		name: "bad handshakes keep other lines from the log",
		file: "server/httplog.go", by: shakes,
		old: "		kind = &l.shakes\n",
		new: "		kind = &l.others\n",
	},
	{
		name: "nobody is told how many lines were left out",
		file: "server/httplog.go", by: shakes,
		old: "	if kind.lines == 0 {",
		new: "	if kind.lines >= 0 {",
	},
	{
		name: "what is made of a body counts for nothing",
		file: "server/httpapi/check.go", by: untaken,
		old: "if !held.reach(int64(s.in.Cap()+len(s.checks)*heldPerCheck) + keys + written) {",
		new: "if !held.reach(min(smallCall, int64(s.in.Cap()+len(s.checks)*heldPerCheck)+keys+written)) {",
	},
	{
		name: "an answer is reckoned to take less than it does",
		file: "server/httpapi/budget.go", by: untaken,
		old: "heldPerCheck = 700",
		new: "heldPerCheck = 400",
	},
	{
		name: "a key is reckoned to be as long in an answer as it is",
		file: "server/httpapi/check.go", by: untaken,
		old: "				written += 5\n",
		new: "				written += 0\n",
	},
	{
		name: "an answer of many limits counts as one of two",
		file: "server/httpapi/check.go", by: untaken,
		old: "	held.settle(s.size() + keys)\n",
		new: "",
	},
	{
		name: "an answer that was taken counts still",
		file: "server/httpapi/check.go", by: untaken,
		old: "	defer held.giveBack()\n",
		new: "",
	},
	{
		name: "a small call holds the memory of a large one",
		file: "server/httpapi/scratch.go", by: untaken,
		old: "	if s.size() > smallCall {\n",
		new: "	if s.size() < 0 {\n",
	},
	{
		name: "memory that was used before counts for nothing",
		file: "server/httpapi/scratch.go", by: untaken,
		old: "ok && held.reach(s.size())",
		new: "ok",
	},
	{
		name: "the time to log in is counted from when it was needed first",
		file: "server/respapi/session.go", by: strangers,
		old: "			login = 0\n",
		new: "",
	},
	{
		name: "a page has lines run that are in the ticket of its session",
		file: "server/respapi/reader.go", by: strangers,
		old: "in[0] == handshake:",
		new: "in[0] == handshake && len(in) == 1:",
	},
	{
		name: "a proxy with a certificate is nobody where its client has a token of somebody else",
		file: "server/httpapi/admit.go", by: admission,
		old: "!certified || need",
		new: "need == access.Check || need",
	},
	{
		name: "a certificate is enough beside a wrong token of one's own",
		file: "server/httpapi/admit.go", by: admission,
		old: " || len(r.Header[tokenHeader]) > 0 {",
		new: " {",
	},
	{
		name: "a certificate administers beside a wrong token",
		file: "server/httpapi/admit.go", by: admission,
		old: " || need != access.Check || ",
		new: " || ",
	},
}
