package main

// libraryFaults are in the rest of the library.
var libraryFaults = []fault{
	{
		name: "parts of a key are joined without an escape",
		file: "key.go", by: core,
		old: `if p[j] == '|' || p[j] == '\\' {`,
		new: `if p[j] == 0 {`,
	},
	{
		name: "Remaining is the greatest over the limits",
		file: "decision.go", by: core,
		old: "d.Remaining = min(d.Remaining, o.Remaining)",
		new: "d.Remaining = max(d.Remaining, o.Remaining)",
	},
	{
		name: "Wait sleeps past the caller's deadline",
		file: "wait.go", by: core,
		old: "ok && time.Until(deadline) < d.RetryAfter",
		new: "ok && time.Until(deadline) < 0",
	},
	{
		name: "who waits is served last come first served",
		file: "wait.go", by: core,
		old: "w.queues[key] = append(w.queues[key], turn)\n	if len(w.queues[key]) == 1 {",
		new: "w.queues[key] = append([]chan struct{}{turn}, w.queues[key]...)\n	if len(w.queues[key]) == 1 {",
	},
	{
		name: "a forwarded address is believed of anybody",
		file: "httplimit/clientaddr.go", by: handler,
		old: "if !isTrusted(client, trusted) {",
		new: "if !client.IsValid() {",
	},
	{
		name: "the leftmost forwarded address is taken",
		file: "httplimit/clientaddr.go", by: handler,
		old: "for element := range fromRight(r.Header[\"X-Forwarded-For\"]) {\n		if !isTrusted(client, trusted) {\n			break\n		}\n",
		new: "peer := isTrusted(client, trusted)\n	for element := range fromRight(r.Header[\"X-Forwarded-For\"]) {\n		if !peer {\n			break\n		}\n",
	},
	{
		name: "every IPv6 address has a limit of its own",
		file: "httplimit/key.go", by: handler,
		old: "return ByIPv6Prefix(64, trusted...)",
		new: "return ByIPv6Prefix(128, trusted...)",
	},
	{
		name: "Retry-After is rounded down",
		file: "httplimit/header.go", by: handler,
		old: "if d%time.Second > 0 {",
		new: "if d < 0 {",
	},
	{
		name: "who hangs up early has no limit",
		file: "httplimit/httplimit.go", by: handler,
		old: "h.config.OnError == sluice.Allow && r.Context().Err() == nil",
		new: "h.config.OnError == sluice.Allow",
	},
	{
		name: "on_error: deny lets pass when the store fails",
		file: "engine/check.go", by: engine,
		old: "Allowed: p.OnError == sluice.Allow,",
		new: "Allowed: true,",
	},
	{
		name: "a peek that fails is told a made-up state",
		file: "engine/check.go", by: engine,
		old: "if r.Err != nil && q.Peek {",
		new: "if r.Err != nil && q.Peek && q.Cost < 0 {",
	},
	{
		name: "shadow refuses",
		file: "engine/check.go", by: engine,
		old: "a.Allowed, a.ShadowDenied = true, true",
		new: "a.ShadowDenied = true",
	},
	{
		name: "an unknown field is taken",
		file: "policy/filesource/reader.go", by: files,
		old: `		r.fault(field.name, field.path, "there is no such field here; %s", suggest(name, names))`,
		new: `		_ = suggest(name, names)`,
	},
	{
		name: "a name that is there twice is taken",
		file: "policy/filesource/reader.go", by: files,
		old: "if at, twice := first[key.Value]; twice {",
		new: "if at, twice := first[key.Value]; twice && at.line < 0 {",
	},
}
