package main

var logins = suite{dir: "server", run: "^Test(PasswordChanges|OtherStore)$"}

// reachFaults are in how a server reaches its Redis.
var reachFaults = []fault{
	{
		name: "a new password of Redis needs a restart",
		file: "server/login.go", by: logins,
		old: "return *l.now.Swap(&next) != next",
		new: "return *l.now.Load() != next",
	},
	{
		name: "Sentinels are told the password of Redis",
		file: "server/login.go", by: logins,
		old: "dialer.Resolver != sentinelMark {",
		new: "dialer != nil {",
	},
	{
		name: "the password for another Redis is taken for this one",
		file: "server/redis.go", by: logins,
		old: "if !sameStore(r.address, address) {",
		new: "if r.address == address {",
	},
	{
		name: "another database of Redis is no other store",
		file: "server/login.go", by: logins,
		old: "u.User, u.RawQuery = nil, query.Encode()",
		new: "u.User, u.RawQuery, u.Path = nil, query.Encode(), \"\"",
	},
}
