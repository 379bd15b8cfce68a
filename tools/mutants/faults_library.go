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
		old: "if r.Err != nil && (q.Peek || q.Refund > 0) {",
		new: "if r.Err != nil && q.Refund > 0 {",
	},
	{
		name: "a refund that fails is told a made-up state",
		file: "engine/check.go", by: engine,
		old: "if r.Err != nil && (q.Peek || q.Refund > 0) {",
		new: "if r.Err != nil && q.Peek {",
	},
	{
		name: "a cost below zero gives back",
		file: "engine/check.go", by: engine,
		old: "if err := sluice.ValidateCost(q.Cost); err != nil || q.Refund == 0 {",
		new: "if err := sluice.ValidateCost(max(0, q.Cost)); err != nil || q.Refund == 0 {",
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
		old: `		r.fault(field.name, field.path, "there is no such field here; %s", policy.Suggest(name, names))`,
		new: `		_ = policy.Suggest(name, names)`,
	},
	{
		name: "a name that is there twice is taken",
		file: "policy/filesource/reader.go", by: files,
		old: "if at, twice := first[key.Value]; twice {",
		new: "if at, twice := first[key.Value]; twice && at.line < 0 {",
	},
	{
		name: "an unknown field of a policy's document is taken",
		file: "policy/json.go", by: documents,
		old: `			r.fault(f.path, "there is no such field here; %s", Suggest(f.name, names))`,
		new: `			_ = Suggest(f.name, names)`,
	},
	{
		name: "the shortest prefix holds",
		file: "policy/override.go", by: documents,
		old: "	slices.Reverse(t.lengths)\n",
		new: "",
	},
	{
		name: "a prefix holds before the key itself",
		file: "policy/override.go", by: documents,
		old: "	if instead := p.table.exact[key]; instead != nil {",
		new: "	if instead := p.table.exact[key]; instead != nil && len(p.table.lengths) == 0 {",
	},
	{
		name: "an override that has ended still holds",
		file: "policy/override.go", by: documents,
		old: "if o.ended(now) {",
		new: `if o.ended(now) && o.Pattern == "" {`,
	},
	{
		name: "a file that is merged takes back what was changed live",
		file: "policy/merge.go", by: documents,
		old: "l, ok := isLive[at]",
		new: "l, ok := inBase[at]",
	},
	{
		name: "a policy that has left the file stays",
		file: "policy/merge.go", by: documents,
		old: "_, stays := file[name]; !stays {",
		new: "_, stays := base[name]; !stays {",
	},
	{
		name: "a month from day 31 skips the short ones",
		file: "calendar.go", by: calendar,
		old: "date(y, m, min(c.from(), last))",
		new: "date(y, m, max(c.from(), last-31))",
	},
	{
		name: "a window of a calendar outlives its end",
		file: "algorithm/fixedwindow.go", by: memory,
		old: "return int64(end) - period(l)",
		new: "return int64(end) - period(l)/2",
	},
}
