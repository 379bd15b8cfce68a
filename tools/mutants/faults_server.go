package main

// serverFaults are in the server.
var serverFaults = []fault{
	{
		name: "administration is open to whoever a proxy or a browser speaks for",
		file: "server/httpapi/route.go", by: api,
		old: `if reason := notLocal(r); reason != "" {`,
		new: `if reason := notLocal(r); reason == "none" {`,
	},
	{
		name: "a page in a browser is the operator",
		file: "server/httpapi/local.go", by: api,
		old: `case name == "Origin":`,
		new: `case name == "origin":`,
	},
	{
		name: "a body of twice the length is read",
		file: "server/httpapi/body.go", by: api,
		old: "maxBody = 1 << 20",
		new: "maxBody = 2 << 20",
	},
	{
		name: "an unknown field of a body is taken",
		file: "server/httpapi/parser.go", by: api,
		old: "		if !known {\n",
		new: "		if !known && p.tokens.SkipValue() != nil {\n",
	},
	{
		name: "the path that a client claims is believed",
		file: "server/httpapi/authorize.go", by: api,
		old: `value != "" && isTrusted(r.RemoteAddr, trusted)`,
		new: `value != ""`,
	},
	{
		name: "times are rounded down to milliseconds",
		file: "server/httpapi/answer.go", by: api,
		old: "(d + time.Millisecond - 1) / time.Millisecond",
		new: "d / time.Millisecond",
	},
	{
		name: "a server that stops takes more checks",
		file: "server/httpapi/route.go", by: api,
		old: "rt.kind == checkRoute && a.draining.Load()",
		new: "rt.kind == healthRoute && a.draining.Load()",
	},
	{
		name: "a change is made whatever revision it is meant for",
		file: "server/httpapi/condition.go", by: conditions,
		old: "return condition{meant: revisionOf(tag)}, nil",
		new: "return condition{meant: control.AnyRevision}, nil",
	},
	{
		name: "what must not be there yet is replaced",
		file: "server/httpapi/condition.go", by: conditions,
		old: "return condition{meant: 0}, nil",
		new: "return condition{meant: control.AnyRevision}, nil",
	},
	{
		name: "a change for any revision makes what is not there",
		file: "server/httpapi/condition.go", by: conditions,
		old: "return condition{there: true}, nil",
		new: "return condition{meant: control.AnyRevision}, nil",
	},
	{
		name: "a policy that is left out of all policies stays",
		file: "server/httpapi/impose.go", by: conditions,
		old: "case !policies:",
		new: "case !policies && !schedules:",
	},
}
