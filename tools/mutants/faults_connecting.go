package main

// connectingFaults are in how connections to Redis are made.
var connectingFaults = []fault{
	{
		name: "a connection ends with the call that wanted it",
		file: "store/redisstore/client.go", by: connecting,
		old: "outliving(option.DialCtxFn)",
		new: "option.DialCtxFn",
	},
	{
		name: "a connection is used up by a caller who has no time left to greet the server",
		file: "store/redisstore/dial.go", by: connecting,
		old: "ok && time.Until(deadline) < took",
		new: "ok && time.Until(deadline) < min(took, 0)",
	},
	{
		name: "a connection that nobody wants stays open",
		file: "store/redisstore/dial.go", by: connecting,
		old: "one.expiry = time.AfterFunc(unclaimedTime,",
		new: "one.expiry = time.AfterFunc(unclaimedTime*1000,",
	},
	{
		name: "a connection is given to two callers",
		file: "store/redisstore/dial.go", by: connecting,
		old: "\t\td.remove(to, one)\n\t\treturn one, one.ended",
		new: "\t\treturn one, one.ended",
	},
	{
		name: "connections are begun while others are left",
		file: "store/redisstore/dial.go", by: connecting,
		old: "len(left) > 0 {\n\t\tone = left",
		new: "len(left) > 0 && left[0].ended {\n\t\tone = left",
	},
}
