package main

// The suites that notice faults in what strangers have the HTTP doors do.
var (
	onlyHTTP1 = suite{dir: "server", run: "^TestHTTP2$"}
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
}
