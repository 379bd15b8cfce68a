package main

// The suites that notice faults in what strangers have the HTTP doors do.
var (
	onlyHTTP1 = suite{dir: "server", run: "^TestHTTP2$"}
	shakes    = suite{dir: "server", run: "^Test(HTTPLog|BadHandshakes)$"}
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
}
