package main

// serverFaults are in the server.
var serverFaults = []fault{
	{
		name: "administration is open to whoever a proxy or a browser speaks for",
		file: "server/httpapi/admit.go", by: api,
		old: `if reason := notLocal(r); reason != "" {
			return caller,`,
		new: `if reason := notLocal(r); reason == "none" {
			return caller,`,
	},
	{
		name: "a page in a browser is the operator",
		file: "server/httpapi/local.go", by: api,
		old: `r.Header["Origin"]`,
		new: `r.Header["origin"]`,
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
		file: "server/httpapi/original.go", by: api,
		old: `value != "" && isTrusted(r.RemoteAddr, trusted)`,
		new: `value != ""`,
	},
	{
		name: "a client's query behind its path is taken for the proxy's",
		file: "server/httpapi/authorize.go", by: api,
		old: `u.RawQuery == "" || rest != ""`,
		new: `u.RawQuery == ""`,
	},
	{
		name: "nginx is sent where a client has appended that it wants to go",
		file: "server/httpapi/authorize.go", by: api,
		old: `malformed != nil || strings.Count(u.RawQuery, "&")+1 != known || len(given) > 1`,
		new: `malformed != nil && known < 0`,
	},
	{
		name: "nginx is sent to a path",
		file: "server/httpapi/authorize.go", by: api,
		old: "case !isNamedLocation(given[0]):",
		new: `case given[0] == "":`,
	},
	{
		name: "a refusal by another status does not say that it is one",
		file: "server/httpapi/authorize.go", by: api,
		old: `to.Header().Set("X-RL-Status", strconv.Itoa(p.Status))`,
		new: `to.Header().Del("X-RL-Status")`,
	},
	{
		name: "a host in capitals is another host",
		file: "server/httpapi/original.go", by: api,
		old: `strings.ToLower(strings.TrimSuffix(host, "."))`,
		new: `strings.TrimSuffix(host, ".")`,
	},
	{
		name: "the host that a client claims before the proxy's is taken",
		file: "server/httpapi/original.go", by: api,
		old: "host[strings.LastIndexByte(host, ',')+1:]",
		new: `strings.Split(host, ",")[0]`,
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
	{
		name: "the checks of a call are asked one by one",
		file: "server/httpapi/check.go", by: api,
		old: "results := a.engine.CheckAll(r.Context(), s.queries)",
		new: "results := make([]engine.Result, len(s.queries))\n\tfor i, q := range s.queries {\n" +
			"\t\tresults[i].Answer, results[i].Err = a.engine.Check(r.Context(), q)\n\t}",
	},
	{
		name: "an answer begins with that of the call before",
		file: "server/httpapi/scratch.go", by: api,
		old: "s.out = s.out[:0]",
		new: "s.out = s.out[:len(s.out):cap(s.out)]",
	},
	{
		name: "a call has the checks of the call before",
		file: "server/httpapi/scratch.go", by: api,
		old: "s.checks, s.queries = s.checks[:0], s.queries[:0]",
		new: "s.queries = s.queries[:0]",
	},
	{
		name: "two calls are answered in the same memory",
		file: "server/httpapi/scratch.go", by: api,
		old: "	return new(scratch)\n",
		new: "	return &theScratch\n}\n\nvar theScratch scratch\n\nfunc init() {\n	smallScratches.New, scratches.New = func() any { return &theScratch }, func() any { return &theScratch }\n",
	},
	{
		name: "a check is of the policy of the check before",
		file: "server/httpapi/parser.go", by: api,
		old: "if token.String() != p.policy {",
		new: "if p.policy == \"\" {",
	},
	{
		name: "a refusal is written without the limit that refused",
		file: "server/httpapi/answer.go", by: api,
		old: "		if limits[i].Allowed {\n			continue",
		new: "		if limits[i].Allowed || i > 0 {\n			continue",
	},
	{
		name: "a long answer says a length of its own",
		file: "server/httpapi/scratch.go", by: api,
		old: "strconv.Itoa(len(s.out))",
		new: "strconv.Itoa(len(s.out) - 1)",
	},
	{
		name: "a stall counts for one call only",
		file: "server/cmd/sluice/benchrun.go", by: measuring,
		old: "return r.begun.Add(max(due, time.Duration(r.free.Load()))), true",
		new: "return time.Now(), true",
	},
	{
		name: "what was never asked for is not told",
		file: "server/cmd/sluice/benchrun.go", by: measuring,
		old: "return max(0, due-begun) * int64(r.batch)",
		new: "return max(0, begun-due) * int64(r.batch)",
	},
	{
		name: "what on_error decided counts as decided",
		file: "server/cmd/sluice/benchask.go", by: measuring,
		old: "case d.Source == sluice.SourceErrorPolicy.String():",
		new: "case d.Source == \"\":",
	},
	{
		name: "a quantile is that of the bucket below",
		file: "server/cmd/sluice/histogram.go", by: measuring,
		old: "rank := max(1, (perMille*h.total+999)/1000)",
		new: "rank := max(1, perMille*h.total/1000)",
	},
}
