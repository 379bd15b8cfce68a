package main

// clockFaults are what goes wrong where somebody sets the clock of a machine.
var clockFaults = []fault{
	{
		name: "a connection to what has become a replica is given up by the wall clock",
		file: "store/redisstore/renew.go", by: suite{dir: "store/redisstore", run: "TestRenewalAfterAStep"},
		old: "now.Sub(*last) >= renewalTime",
		new: "time.Duration(now.UnixNano()-last.UnixNano()) >= renewalTime",
	},
	{
		name: "which connection gives way is found by the wall clock",
		file: "server/limit.go", by: suite{dir: "server", run: "TestIdlestAfterAStep"},
		old: "idle.Before(*least)",
		new: "idle.UnixNano() < least.UnixNano()",
	},
}
