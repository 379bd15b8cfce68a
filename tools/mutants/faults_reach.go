package main

// The suites that notice.
var (
	logins   = suite{dir: "server", run: "^Test(PasswordChanges|OtherStore)$"}
	starting = suite{dir: "server", run: "^TestStartedInAnOutage$"}
	saying   = suite{dir: "server", run: "^TestOneLineForAnOutage$"}
	forgets  = suite{dir: "server", run: "^TestForgottenShares$"}
	lost     = suite{dir: "store/redisstore", run: "^TestLostMaster$"}
	looking  = suite{dir: "store/breaker", run: "^TestLook"}
)

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
		old: "!redisstore.DialsSentinel(dialer) {",
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
	{
		name: "a Redis that comes after the server is looked for every three seconds",
		file: "server/redis.go", by: starting,
		old: "reconnectTime = 250 * time.Millisecond",
		new: "reconnectTime = 3 * time.Second",
	},
	{
		name: "who says that a store is back is not heard between two looks",
		file: "store/breaker/run.go", by: looking,
		old: "	case <-woken:\n",
		new: "",
	},
	{
		name: "who says that a store is back is not heard while it is looked at",
		file: "store/breaker/run.go", by: looking,
		old: "nap(ctx, gap, *hurry); {\n",
		new: "nap(ctx, gap, *hurry); hurry = s.hurry.Load() {\n",
	},
	{
		name: "a store that somebody has said to be back is looked at all the time",
		file: "store/breaker/run.go", by: looking,
		old: "		hurry = s.hurry.Load()\n",
		new: "",
	},
	{
		name: "an error that has the time in it fills the log",
		file: "server/complaints.go", by: saying,
		old: `kind := numbers.ReplaceAllString(err.Error(), "0")`,
		new: "kind := err.Error()",
	},
	{
		name: "errors that take turns fill the log",
		file: "server/complaints.go", by: saying,
		old: "recently || kind == c.last",
		new: "recently && kind == c.last || kind == c.last",
	},
	{
		name: "an error that lasts is told each minute",
		file: "server/complaints.go", by: saying,
		old: "recently || kind == c.last",
		new: "recently",
	},
	{
		name: "nobody is told that shares were forgotten",
		file: "server/store.go", by: forgets,
		old: "return shares.Stats().Evicted },",
		new: "return 0 },",
	},
	{
		name: "Sentinels are connected to whether the master that they know is there or not",
		file: "store/redisstore/sentinel.go", by: lost,
		old: "if DialsSentinel(dialer) {",
		new: "if DialsSentinel(dialer) && dialer == nil {",
	},
	{
		name: "a Sentinel is asked for the master by a login that has been replaced",
		file: "server/login.go", by: logins,
		old: "redisstore.WithLogin(ctx, *l.now.Load())",
		new: "redisstore.WithLogin(ctx, first)",
	},
}
