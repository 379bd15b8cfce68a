package main

// The suites that notice faults in who may do what, and how much.
var (
	tokens     = suite{dir: "server/access"}
	admission  = suite{dir: "server/httpapi", run: "^Test(Roles|Tokens|Audit|Certificates|Administration|Bodies)"}
	respTokens = suite{dir: "server/respapi", run: "^Test(Token|Audit|Idle|Administration)"}
	envoyDoors = suite{dir: "server", run: "^TestTokens$"}
	secure     = suite{dir: "server", run: "^Test(TLS|Certificates|Places)"}
	crowded    = suite{dir: "server", run: "^TestMaxConnections$"}
	watching   = suite{dir: "internal/watch"}
	writes     = suite{dir: "server", run: "^Test(WritesEnd|WhoTakesNothing)"}
	later      = suite{dir: "server", run: "^TestTokensComeWith"}
)

// securityFaults are in tokens and roles, in TLS, and in the bounds of the doors.
var securityFaults = []fault{
	{
		name: "what TLS answers while a client is read is waited for without end",
		file: "server/limit.go", by: writes,
		old: "	_ = c.Conn.SetWriteDeadline(time.Now().Add(writeTime))\n",
		new: "",
	},
	{
		name: "who takes no answer is read on",
		file: "server/limit.go", by: writes,
		old: "	if err != nil {\n		_ = c.Close()\n	}\n",
		new: "",
	},
	{
		name: "a token is needed where nobody could show one",
		file: "server/server.go", by: later,
		old: "settings.Admin.ChecksRequireToken = false",
		new: "_ = settings.Admin.ChecksRequireToken",
	},
	{
		name: "bodies of checks take the place of those of administration",
		file: "server/httpapi/route.go", by: admission,
		old: "if rt.kind == checkRoute && (r.ContentLength < 0",
		new: "if (r.ContentLength < 0",
	},
	{
		name: "a token lets in by the beginning of its digest",
		file: "server/access/tokens.go", by: tokens,
		old: "subtle.ConstantTimeCompare(t.all[i].digest[:], d[:])",
		new: "subtle.ConstantTimeCompare(t.all[i].digest[:0], d[:0])",
	},
	{
		name: "what stands for a token is told in a fault",
		file: "server/access/tokens.go", by: tokens,
		old: `fmt.Sprintf("what stands for the token has %d characters; it must be its SHA-256 in hexadecimal, 64 digits, "+
			"as sluice token prints it, and never the token itself", len(words[2]))`,
		new: `fmt.Sprintf("what stands for the token has %d characters: %s", len(words[2]), words[2])`,
	},
	{
		name: "a tokens file with faults takes the tokens away",
		file: "server/access/book.go", by: tokens,
		old: "				fail(err)\n				return\n",
		new: "				fail(err)\n				b.tokens.Store(new(Tokens))\n				return\n",
	},
	{
		name: "two tokens can have one name",
		file: "server/access/tokens.go", by: tokens,
		old: "err == nil && names[one.caller.Name] > 0",
		new: "err == nil && names[one.caller.Name] > len(names)",
	},
	{
		name: "the role check includes read",
		file: "server/access/access.go", by: admission,
		old: "return r >= other",
		new: "return r+1 >= other && r > 0 || r >= other",
	},
	{
		name: "who may look may change",
		file: "server/httpapi/route.go", by: admission,
		old: "		return access.Admin\n",
		new: "		return access.Read\n",
	},
	{
		name: "metrics need no role",
		file: "server/httpapi/route.go", by: admission,
		old: "case rt.kind.administers() && (method == get ||",
		new: "case rt.kind == adminRoute && (method == get ||",
	},
	{
		name: "checks that need a token need none",
		file: "server/httpapi/route.go", by: admission,
		old: "case rt.kind == checkRoute && checksNeedToken:",
		new: "case rt.kind == healthRoute && checksNeedToken:",
	},
	{
		name: "a wrong token counts as none, on this machine",
		file: "server/httpapi/admit.go", by: admission,
		old: `return access.Caller{}, newProblem(unauthenticated, "the token is none`,
		new: `return access.Caller{Role: access.Check}, newProblem(roleMissing, "the token is none`,
	},
	{
		name: "this machine needs no token where there are some",
		file: "server/httpapi/admit.go", by: admission,
		old: "case a.tokens == nil && address.Loopback: // the",
		new: "case address.Loopback: // the",
	},
	{
		name: "a page in a browser administers by the certificate of whoever sits before it",
		file: "server/httpapi/admit.go", by: admission,
		old: `if reason := fromPage(r); reason != "" && address.Certified > access.Check {`,
		new: `if reason := fromPage(r); reason == "none" {`,
	},
	{
		name: "a certificate that is not verified is a proof",
		file: "server/httpapi/admit.go", by: admission,
		old: "r.TLS != nil && len(r.TLS.VerifiedChains) > 0",
		new: "r.TLS != nil",
	},
	{
		name: "administration is not shed",
		file: "server/httpapi/admit.go", by: admission,
		old: "a.administering.Add(1) <= maxAdministering",
		new: "a.administering.Add(1) <= 2*maxAdministering",
	},
	{
		name: "administration that was shed is counted for ever",
		file: "server/httpapi/route.go", by: admission,
		old: "		defer a.end()\n",
		new: "",
	},
	{
		name: "bodies take as much memory as they like",
		file: "server/httpapi/budget.go", by: admission,
		old: "b.used.Add(n) <= maxHeld",
		new: "b.used.Add(n) <= maxHeld || n >= 0",
	},
	{
		name: "bodies that were answered count still",
		file: "server/httpapi/budget.go", by: admission,
		old: "b.used.Add(-body.taken)",
		new: "b.used.Add(0)",
	},
	{
		name: "a token lets in under any name",
		file: "server/respapi/proof.go", by: respTokens,
		old: "case isToken && (string(user) == defaultUser || string(user) == byToken.who.Name):",
		new: "case isToken:",
	},
	{
		name: "a connection keeps what a token gave it",
		file: "server/respapi/proof.go", by: respTokens,
		old: "	if !found {\n		s.forget()\n		return\n	}",
		new: "	if !found {\n		return\n	}",
	},
	{
		name: "every token administers over the Redis protocol",
		file: "server/respapi/session.go", by: respTokens,
		old: "case c.admin && !s.who.Role.Includes(access.Admin):",
		new: "case c.admin && !s.who.Role.Includes(access.Check):",
	},
	{
		name: "clients of Redis may say nothing for ever",
		file: "server/respapi/session.go", by: respTokens,
		old: "			s.due.Store(s.door.idleDue())\n			begun = false",
		new: "			s.due.Store(0)\n			begun = false",
	},
	{
		name: "Envoy needs no token",
		file: "server/envoy.go", by: envoyDoors,
		old: "if !d.needToken.Load() ||",
		new: "if d.needToken.Load() ||",
	},
	{
		name: "an older TLS is spoken",
		file: "server/tls.go", by: secure,
		old: "oldest: tls.VersionTLS13,",
		new: "oldest: tls.VersionTLS12,",
	},
	{
		name: "every certificate is believed",
		file: "server/tls.go", by: secure,
		old: "tls.RequireAndVerifyClientCert",
		new: "tls.RequireAnyClientCert",
	},
	{
		name: "renewed certificates are not taken over",
		file: "server/tls.go", by: secure,
		old: "	c.current.Store(config)\n	return nil\n",
		new: "	c.current.CompareAndSwap(nil, config)\n	return nil\n",
	},
	{
		name: "administration is open to other machines without a proof",
		file: "server/listen.go", by: secure,
		old: "if !admin.serves.Loopback && !tokens && admin.serves.Certified != access.Admin {",
		new: "if !admin.serves.Loopback && !tokens && admin.serves.Certified == access.Check {",
	},
	{
		name: "a door takes more connections than it may",
		file: "server/limit.go", by: crowded,
		old: "full := len(l.open) >= l.most",
		new: "full := len(l.open) >= 2*l.most",
	},
	{
		name: "a new connection takes the place of the one that was busy last",
		file: "server/limit.go", by: crowded,
		old: "least == nil || idle.Before(*least)",
		new: "least == nil || idle.After(*least)",
	},
	{
		name: "a file that is gone is told of each second",
		file: "internal/watch/watch.go", by: watching,
		old: "asked || err.Error() != w.failure",
		new: "asked || err != nil",
	},
}
