package filesource

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// faultsOf returns the faults of a file that has some.
func faultsOf(t interface {
	Helper()
	Fatalf(string, ...any)
}, text string,
) Faults {
	t.Helper()
	f, err := Parse("f", []byte(text))
	var faults Faults
	if !errors.As(err, &faults) || len(faults) == 0 || f != nil {
		t.Fatalf("Parse(%.200q) = %+v, %v, want no file and Faults", text, f, err)
	}
	return faults
}

const (
	allFields   = "listen, store, store_timeout, store_max_keys, key_prefix, hash_keys, trusted_proxies, allow_inline_limits, ready_requires_store, policies, schedules, envoy, admin"
	nameRule    = "must be a letter or digit of a-z and 0-9, followed by up to 62 of a-z, 0-9, '.', '_' and '-'"
	noSuchField = "there is no such field here; "
)

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, file string
		want       []string
	}{
		{"unknown fields", "stroe: memory\nlisten: {htpp: x}\npolicies:\n  api: {limts: [1/s], limits: [1/s]}\nfoo: 1\n\"a\\nb\": 1\n", []string{
			"f:1:1: stroe: " + noSuchField + "did you mean store?",
			"f:2:10: listen.htpp: " + noSuchField + "did you mean http?",
			"f:4:9: policies.api.limts: " + noSuchField + "did you mean limits?",
			"f:5:1: foo: " + noSuchField + "there are " + allFields,
			`f:6:1: "a\nb": ` + noSuchField + "there are " + allFields,
		}},
		{"bounds of doors", "\n\nlisten: {idle_time: 1ms, max_connections: 0}\n", []string{
			"f:3:21: listen.idle_time: it is 1ms; it must be 1s to 366d",
			`f:3:43: listen.max_connections: it is "0"; it must be a whole number from 1 to 1000000`,
		}},
		{"envoy", "listen:\n  grpc: nowhere\n  grpc_tls: {cert: c}\nenvoy:\n  directry: d\n  near_limit_ratio: 1.5\n  limit_header: a b\n  on_error: maybe\n", []string{
			`f:2:9: listen.grpc: "nowhere" is no address to listen on; write HOST:PORT, as in "127.0.0.1:8080", "[::1]:8080" or ":8080" for every address`,
			`f:3:14: listen.grpc_tls.cert: there is no such field here; there are cert_file, key_file, client_ca_file, client_name`,
			`f:5:3: envoy.directry: there is no such field here; did you mean directory?`,
			`f:6:21: envoy.near_limit_ratio: it is "1.5"; it must be a number of more than 0 and at most 1, such as 0.8`,
			`f:7:17: envoy.limit_header: "a b" is no name of a header field; write letters, digits and dashes`,
			`f:8:13: envoy.on_error: it is "maybe"; it must be allow or deny or local`,
		}},
		{"resp", "listen:\n  resp: nowhere\n  resp_password: ''\n", []string{
			`f:2:9: listen.resp: "nowhere" is no address to listen on; write HOST:PORT, as in "127.0.0.1:8080", "[::1]:8080" or ":8080" for every address; or write off`,
			`f:3:18: listen.resp_password: it has 0 bytes; it must have 1 to 512`,
		}},
		{"lease", "policies:\n  a: {limits: [1/s], deny_cache: 1, lease: true}\n  b: {limits: [1/s], lease: {share: 10, ttl: 61s}}\n  c:\n    limits: [1/s]\n    lease:\n      share: 0%\n      tll: 1s\n  d: {limits: [1/s], lease: {share: [x], ttl: x}}\n", []string{
			`f:2:34: policies.a.deny_cache: it is "1"; it must be true or false`,
			"f:2:44: policies.a.lease: it is true or false; it must be a mapping, as in {share: 10%, ttl: 1s}",
			`f:3:37: policies.b.lease.share: "10" is no share; write whole percent, as in "10%"`,
			"f:3:46: policies.b.lease.ttl: it is 61s; it must be 10ms to 1m",
			"f:7:14: policies.c.lease.share: it is 0%; it must be 1% to 100%",
			"f:8:7: policies.c.lease.tll: there is no such field here; did you mean ttl?",
			"f:9:37: policies.d.lease.share: it is a list; it must be: percentage, 1% to 100%",
			`f:9:47: policies.d.lease.ttl: "x" is no duration; write a number and ms, s, m, h or d, as in "100ms" or "1m30s"`,
		}},
		{"given twice", "store: memory\npolicies:\n  api: {limits: {a: 1/s, a: 2/s}}\n  api: {limits: x}\nstore: [x]\n", []string{
			"f:3:26: policies.api.limits.a: it is there twice, first in line 3; take one of them out",
			"f:4:3: policies.api: it is there twice, first in line 3; take one of them out",
			"f:5:1: store: it is there twice, first in line 1; take one of them out",
		}},
		{"no value", "store:\nkey_prefix: ~\nlisten: {http, admin: null}\ntrusted_proxies: [~]\npolicies:\n  api:\n  b: {limits: }\n", []string{
			"f:1:1: store: it has no value; write one or take it out",
			"f:2:1: key_prefix: it has no value; write one or take it out",
			"f:3:10: listen.http: it has no value; write one or take it out",
			"f:3:16: listen.admin: it has no value; write one or take it out",
			"f:4:19: trusted_proxies[0]: it has no value; write one or take it out",
			"f:6:3: policies.api: it has no value; write one or take it out",
			"f:7:7: policies.b.limits: it has no value; write one or take it out",
		}},
		{"other types", "listen: x\nstore: [x]\nstore_timeout: {a: b}\nhash_keys: 1\nallow_inline_limits: yes\ntrusted_proxies: 10.0.0.0/8\npolicies:\n  a: 1\n  b: {limits: 1/s, key: {a: b}, shadow: [x], missing: {}}\n  c: {limits: [{second: 1/s}, [1/s], 10], on_error: true}\n  d: {limits: {second: {a: b}}}\n", []string{
			"f:1:9: listen: it is text; it must be a mapping of names to values",
			"f:2:8: store: it is a list; it must be: memory or URL",
			"f:3:16: store_timeout: it is a mapping; it must be: duration, 1ms to 10s",
			`f:4:12: hash_keys: it is "1"; it must be true or false`,
			`f:5:22: allow_inline_limits: it is "yes"; it must be true or false`,
			"f:6:18: trusted_proxies: it is text; it must be a list, as in [a, b]",
			"f:8:6: policies.a: it is a number; it must be a mapping of names to values",
			"f:9:15: policies.b.limits: it is text; it must be a mapping of names to limits, as in {second: 10/s}, or a list of limits, as in [10/s]",
			"f:9:25: policies.b.key: it is a mapping; it must be: ip, header:NAME, cookie:NAME, path, method, or a list of up to 8 of them",
			"f:9:41: policies.b.shadow: it is a list; it must be: true or false",
			"f:9:55: policies.b.missing: it is a mapping; it must be: refuse or allow",
			"f:10:16: policies.c.limits[0]: it is a mapping; it must be: plain text",
			"f:10:31: policies.c.limits[1]: it is a list; it must be: plain text",
			`f:10:38: policies.c.limits[2]: "10": "10" has no "/"; write COUNT/PERIOD, as in "100/minute"`,
			`f:10:53: policies.c.on_error: it is "true"; it must be allow or deny or local`,
			"f:11:24: policies.d.limits.second: it is a mapping; it must be: plain text",
		}},
		{"limits", "policies:\n  a: {limits: [10/s, 5/s, 10/fortnight]}\n  b: {}\n  c: {limits: []}\n  d: {limits: {Bad Name: 1/x, ok: 1/s}}\n  e: {limits: [1/s, 1/m, 1/h, 1/d, 1/w, 1/2s, 1/3s, 0/s, 1/5s]}\n  f: {limits: [~]}\n  g: {limits: {x: ~}}\n", []string{
			`f:2:22: policies.a.limits[1]: its period gives it the name "second", which policies.a.limits[0] has; write a mapping of names to limits`,
			`f:2:27: policies.a.limits[2]: "10/fortnight": the period's unit "fortnight" is unknown; it must be one of ms, s (second), m (minute), h (hour), d (day), w (week)`,
			`f:3:3: policies.b.limits: there is none; give at least one, such as "100/minute"`,
			`f:4:15: policies.c.limits: there is none; give at least one, such as "100/minute"`,
			`f:5:16: policies.d.limits."Bad Name": the name "Bad Name" is not a letter or digit followed by up to 62 of a-z, 0-9, '.', '_' and '-'`,
			`f:5:26: policies.d.limits."Bad Name": "1/x": the period's unit "x" is unknown; it must be one of ms, s (second), m (minute), h (hour), d (day), w (week)`,
			"f:6:15: policies.e.limits: there are 9; at most 8 can be charged together",
			`f:6:53: policies.e.limits[7]: "0/s": the count "0" is out of range; it must be 1 to 4294967295`,
			"f:7:16: policies.f.limits[0]: it has no value; write one or take it out",
			"f:8:16: policies.g.limits.x: it has no value; write one or take it out",
		}},
		{"policies", "policies:\n  Api: {limits: [1/s]}\n  ~x: {limits: [1/s]}\n  a: {limits: [1/s], key: [ip, IP, ip, 'header:', header:A, header:a], missing: maybe}\n  b: {limits: [1/s], key: [ip, path, method, header:a, header:b, header:c, header:d, header:e, header:f]}\n", []string{
			`f:2:3: policies.Api: "Api" ` + nameRule,
			`f:3:3: policies."~x": "~x" begins with "~", which marks limits that a caller brings along; leave it out`,
			`f:4:32: policies.a.key[1]: "IP" is no part of a key; it must be ip, header:NAME, cookie:NAME, path or method`,
			"f:4:36: policies.a.key[2]: ip is there twice; once is enough",
			`f:4:40: policies.a.key[3]: "header:": the name is missing; write header:NAME`,
			"f:4:61: policies.a.key[5]: header:a is there twice; once is enough",
			`f:4:81: policies.a.missing: it is "maybe"; it must be refuse or allow`,
			"f:5:27: policies.b.key: there are 9 parts; there can be at most 8",
		}},
		{"blocks", "policies:\n  a: {limits: [1/s], block: 15m}\n  b: {limits: [1/s], block: {}}\n  c:\n    limits: [1/s]\n    block: {after: many, within: 60, for: 400d, max: 0s, until: 1}\n  d: {limits: [1/s], block: {after: 0, within: 1m, for: 2m, max: 1m}}\n  e: {limits: [1/s], block: }\n", []string{
			"f:2:29: policies.a.block: it is text; it must be a mapping, as in {after: 100, within: 1m, for: 15m}",
			"f:3:22: policies.b.block.after: it is 0; it must be 1 to 4294967295 refusals",
			"f:3:22: policies.b.block.within: it is 0s; it must be 1ms to 366d",
			"f:3:22: policies.b.block.for: it is 0s; it must be 1ms to 366d",
			`f:6:20: policies.c.block.after: it is "many"; it must be a whole number, at most 4294967295`,
			`f:6:34: policies.c.block.within: "60" is no duration; write a number and ms, s, m, h or d, as in "100ms" or "1m30s"`,
			"f:6:43: policies.c.block.for: it is 400d; it must be 1ms to 366d",
			"f:6:54: policies.c.block.max: it is 0s; it must be 1ms to 366d",
			"f:6:58: policies.c.block.until: " + noSuchField + "there are after, within, for, max",
			"f:7:37: policies.d.block.after: it is 0; it must be 1 to 4294967295 refusals",
			"f:7:66: policies.d.block.max: it is 1m, shorter than the first block of 2m; give at least that, or leave it out",
			"f:8:22: policies.e.block: it has no value; write one or take it out",
		}},
		{"overrides", "policies:\n  a:\n    limits: [1/s]\n    overrides:\n      x: {}\n      'y*': {limits: {a: 1/x, B: 1/s}, until: 2027-01-01}\n      'y*': {limits: [1/s]}\n      user 42: {limit: [1/s], limits: [2/s, 1/s], until: [x]}\n      \"\": {limits: [1/s], until: 1969-01-01T00:00:00Z}\n      z: 1/s\n      empty:\n  b: {limits: [1/s], overrides: [x]}\n", []string{
			`f:5:7: policies.a.overrides.x.limits: there is none; give at least one, such as "100/minute"`,
			`f:6:26: policies.a.overrides.y*.limits.a: "1/x": the period's unit "x" is unknown; it must be one of ms, s (second), m (minute), h (hour), d (day), w (week)`,
			`f:6:31: policies.a.overrides.y*.limits.B: the name "B" is not a letter or digit followed by up to 62 of a-z, 0-9, '.', '_' and '-'`,
			`f:6:47: policies.a.overrides.y*.until: "2027-01-01" is no instant; write date, time and zone, as in 2027-01-01T00:00:00Z or 2027-01-01T00:00:00+01:00`,
			"f:7:7: policies.a.overrides.y*: it is there twice, first in line 6; take one of them out",
			`f:8:17: policies.a.overrides."user 42".limit: ` + noSuchField + "did you mean limits?",
			`f:8:45: policies.a.overrides."user 42".limits[1]: its period gives it the name "second", which policies.a.overrides."user 42".limits[0] has; write a mapping of names to limits`,
			`f:8:58: policies.a.overrides."user 42".until: it is a list; it must be: date, time and zone, as in 2027-01-01T00:00:00Z`,
			`f:9:7: policies.a.overrides."": the pattern is empty; it must be a key, or the beginning of keys and "*"`,
			`f:9:34: policies.a.overrides."".until: it is not from 1970 to 2200; leave it out where the override is for good`,
			"f:10:10: policies.a.overrides.z: it is text; it must be a mapping of names to values",
			"f:11:7: policies.a.overrides.empty: it has no value; write one or take it out",
			"f:12:33: policies.b.overrides: it is a list; it must be a mapping of names to values",
		}},
		{"schedules", "schedules:\n  Bad: {cron: '@hourly', reset: {policy: api}}\n  a: {}\n  b: {cron: 0 0 * * *, reset: {policy: apl}, set: {policy: api, limits: []}}\n  c: {crno: '@hourly', cron: '@every 1x', timezone: Europe/Berlln, missed: some, rest: {policy: api}}\n  d: {cron: '@hourly', adjust: {policy: api, limit: secnd, by: +1, min: 0, max: x}}\n  e: {cron: '@hourly', adjust: {policy: api, limit: second, by: 0, min: 5, max: 4}}\n  f: {cron: '@hourly', override: {policy: api, key: 'x*', limits: {a: 1/s}, for: 400d}}\n  g: {cron: '@hourly', block: {policy: api, for: 0s, reason: {}}}\n  h: {cron: '@hourly', reset: api}\n  i: '@hourly'\n  j: {cron: '@hourly', reset: {policy: 'a b'}}\n  k: {cron: '@hourly', set: {policy: api, limits: [1/x]}}\n  l:\npolicies: {api: {limits: [1/s]}}\n", []string{
			`f:2:3: schedules.Bad: "Bad" ` + nameRule,
			`f:3:3: schedules.a.cron: it is missing; write five fields (minute, hour, day of the month, month, day of the week), as in "30 2 * * mon-fri", or @hourly, @daily, @weekly, @monthly, @yearly, or "@every 90s"`,
			"f:3:3: schedules.a: there are 0; give exactly one of reset, set, adjust, override and block",
			"f:4:3: schedules.b: there are 2; give exactly one of reset, set, adjust, override and block",
			`f:4:40: schedules.b.reset.policy: there is no policy "apl"; did you mean api?`,
			`f:4:73: schedules.b.set.limits: there is none; give at least one, such as "100/minute"`,
			"f:5:3: schedules.c: there are 0; give exactly one of reset, set, adjust, override and block",
			"f:5:7: schedules.c.crno: " + noSuchField + "did you mean cron?",
			`f:5:30: schedules.c.cron: "1x" is no duration; write a number and ms, s, m, h or d, as in "100ms" or "1m30s"`,
			`f:5:53: schedules.c.timezone: there is no time zone "Europe/Berlln"; write the name of a zone of the IANA time zone database, such as "Europe/Berlin" or "UTC"`,
			`f:5:76: schedules.c.missed: it is "some"; it must be latest, all or skip`,
			"f:5:82: schedules.c.rest: " + noSuchField + "did you mean reset?",
			`f:6:53: schedules.d.adjust.limit: the policy api has no limit "secnd"; did you mean second?`,
			"f:6:73: schedules.d.adjust.min: it is 0; it must be 1 to 4294967295, or left out",
			`f:6:81: schedules.d.adjust.max: it is "x"; it must be a whole number, at most 4294967295`,
			"f:7:65: schedules.e.adjust.by: it is 0, which moves nothing; give how far the count goes up, or down where it is negative",
			"f:7:73: schedules.e.adjust.min: it is 5, greater than max, which is 4; no count is within them",
			`f:8:53: schedules.f.override.key: "x*" is a pattern, and a schedule overrides one exact key; give a prefix among the policy's overrides`,
			"f:8:82: schedules.f.override.for: it is 400d; it must be 1ms to 366d",
			"f:9:24: schedules.g.block.key: it is empty; it must be 1 to 4096 bytes that say who is limited",
			"f:9:50: schedules.g.block.for: it is 0s; it must be 1ms to 366d",
			"f:9:62: schedules.g.block.reason: it is a mapping; it must be: text, up to 200 bytes",
			"f:10:31: schedules.h.reset: it is text; it must be a mapping of names to values",
			"f:11:6: schedules.i: it is text; it must be a mapping of names to values",
			`f:12:40: schedules.j.reset.policy: "a b" must be a letter or digit of a-z and 0-9, followed by up to 62 of a-z, 0-9, '.', '_' and '-'`,
			`f:13:52: schedules.k.set.limits[0]: "1/x": the period's unit "x" is unknown; it must be one of ms, s (second), m (minute), h (hour), d (day), w (week)`,
			"f:14:3: schedules.l: it has no value; write one or take it out",
		}},
		{"schedules without policies", "schedules: {a: {cron: '@hourly', reset: {policy: api}}}\n", []string{
			`f:1:50: schedules.a.reset.policy: there is no policy "api"; there are none`,
		}},
		{"schedules, and policies that are none", "schedules: {a: {cron: '@hourly', reset: {policy: api}}}\npolicies: 5\n", []string{
			"f:2:11: policies: it is a number; it must be a mapping of names to values",
		}},
		{"schedules of policies that cannot be read", "schedules: {a: {cron: '@hourly', reset: {policy: api}}, b: {cron: '@hourly', adjust: {policy: b, limit: x, by: 1}}}\npolicies:\n  api:\n  b: {limits: 5}\n", []string{
			"f:3:3: policies.api: it has no value; write one or take it out",
			"f:4:15: policies.b.limits: it is a number; it must be a mapping of names to limits, as in {second: 10/s}, or a list of limits, as in [10/s]",
		}},
		{"texts with a colon", "policies: {a: {limits: [1/s], key: [ip, header:A, cookie:7, header:A:B, {a: b}, cookie: x, cookie:{}, \"a\":b]}}\n", []string{
			"f:1:61: policies.a.key[3]: \"header:A:B\": the name \"A:B\" holds a character that a header name cannot have; letters, digits and !#$%&'*+-.^_`|~ can be in it",
			"f:1:73: policies.a.key[4]: it is a mapping; it must be: plain text",
			"f:1:81: policies.a.key[5]: it is a mapping; it must be: plain text",
			"f:1:92: policies.a.key[6]: it is a mapping; it must be: plain text",
			"f:1:103: policies.a.key[7]: it is a mapping; it must be: plain text",
		}},
		{"settings", "store_timeout: 100\nstore_max_keys: 0\nkey_prefix: 'a {b}'\nlisten: {http: 8080, admin: 'localhost:99999'}\ntrusted_proxies: [10.0.0.1, 10.0.0.1/8, x, '::ffff:10.0.0.0/104', 'fe80::1%eth0']\n", []string{
			`f:1:16: store_timeout: "100" is no duration; write a number and ms, s, m, h or d, as in "100ms" or "1m30s"`,
			`f:2:17: store_max_keys: it is "0"; it must be a whole number from 1 to 1000000000`,
			`f:3:13: key_prefix: it is "a {b}"; it must be 1 to 64 printable characters without spaces and braces`,
			`f:4:16: listen.http: "8080" is no address to listen on; write HOST:PORT, as in "127.0.0.1:8080", "[::1]:8080" or ":8080" for every address`,
			`f:4:29: listen.admin: the port "99999" of "localhost:99999" is none; it must be 0 to 65535`,
			`f:5:19: trusted_proxies[0]: "10.0.0.1" is an address; for this one alone write 10.0.0.1/32`,
			"f:5:29: trusted_proxies[1]: 10.0.0.1/8 has more bits than its network; write 10.0.0.0/8",
			`f:5:41: trusted_proxies[2]: "x" is no network; write ADDRESS/BITS, as in "10.0.0.0/8" or "fd00::/8"`,
			"f:5:44: trusted_proxies[3]: ::ffff:10.0.0.0/104 writes IPv4 as IPv6, which no client's address will match; write it as IPv4",
			`f:5:67: trusted_proxies[4]: "fe80::1%eth0" is no network; write ADDRESS/BITS, as in "10.0.0.0/8" or "fd00::/8"`,
		}},
		{"out of range", "store_timeout: 10001ms\nstore_max_keys: 1_000\nlisten: {http: ':1', admin: ':1'}\n", []string{
			"f:1:16: store_timeout: it is 10.001s; it must be 1ms to 10s",
			`f:2:17: store_max_keys: it is "1_000"; it must be a whole number from 1 to 1000000000`,
			"f:3:9: listen: http and admin are the same address; take admin out to serve both there",
		}},
		{"what YAML has and a configuration does not need", "%YAML 1.2\n---\nstore: &s memory\nkey_prefix: *s\n? hash_keys\n: true\n!!str listen: {}\nallow_inline_limits: !!bool false\n<<: {a: b}\npolicies: &p {a: {<<: *p}}\ntrusted_proxies: [&n 10.0.0.0/8, *n]\n--- {}\n", []string{
			"f:1:1: a YAML directive is not read here; take the line out",
			"f:3:8: store: an anchor is not read here; take the word with & out",
			"f:4:13: key_prefix: an alias is not read here; write out the value in place of the word with *",
			`f:5:1: "?" is not read here; write "name: value"`,
			"f:7:1: a name is plain text here, without &, * or ! before it",
			"f:8:22: allow_inline_limits: a tag is not read here; take the word with ! out",
			`f:9:1: "<<" is not read here; write out what it would bring`,
			"f:10:11: policies: an anchor is not read here; take the word with & out",
			`f:10:19: policies.a: "<<" is not read here; write out what it would bring`,
			"f:11:19: trusted_proxies[0]: an anchor is not read here; take the word with & out",
			"f:11:34: trusted_proxies[1]: an alias is not read here; write out the value in place of the word with *",
			"f:12:1: a second document begins here; a configuration file is one: take this line out, or what follows",
		}},
	} {
		var got []string
		for _, fault := range faultsOf(t, test.file) {
			got = append(got, fault.Error())
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: faults, -want +got:\n%s", test.name, diff)
		}
	}
}

// TestFaultsTellNoSecret looks for the password of a store that is written wrongly, in every way that it can be.
func TestFaultsTellNoSecret(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		"hunter2", "redis//user:hunter2@host", "redis:/user:hunter2@host", "http://user:hunter2@host", "redis://user:hunter2@ho st:x",
		"redis://user:%zzhunter2@host", "redis://user:pass/hunter2@host", "{hunter2: hunter2}", "[hunter2]", "*hunter2",
		"!hunter2 x", "&hunter2 x", "'hunter2", "\"hunter2", "[hunter2", "hunter2: hunter2", "@hunter2", "|\n hunter2\n hunter2",
	} {
		text := "store: " + value + "\n"
		if got := faultsOf(t, text).Error(); strings.Contains(got, "hunter2") {
			t.Errorf("Parse(%q) tells the password: %s", text, got)
		}
	}
}

func TestFaultsAreBounded(t *testing.T) {
	t.Parallel()
	faults := faultsOf(t, "trusted_proxies: ["+strings.Repeat("a,", 5000)+"]")
	if len(faults) != maxFaults+1 || faults[maxFaults].Error() != "f: there are 4000 faults more" {
		t.Errorf("%d faults, the last %v, want 1000 and a word about the other 4000", len(faults), faults[len(faults)-1])
	}
}

// TestFaultsAreLocated puts one wrong value into files that are laid out in many ways.
func TestFaultsAreLocated(t *testing.T) {
	t.Parallel()
	filler := rapid.SampledFrom([]string{"\n", "# a comment: é\n", "  # indented\n", "\n\n"})
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		fill := func() { text.WriteString(strings.Join(rapid.SliceOfN(filler, 0, 3).Draw(t, "filler"), "")) }
		ending := rapid.SampledFrom([]string{"\n", "  # why: not\n"})
		fill()
		text.WriteString(rapid.SampledFrom([]string{"", "key_prefix: 'é'\nstore: memory\n", "listen: {\n  http: 127.0.0.1:1,\n\n  admin: 127.0.0.1:2 }\n", "key_prefix: \"a\\\n  b\"\n"}).Draw(t, "before"))
		text.WriteString("policies:" + ending.Draw(t, "ending"))
		indent := strings.Repeat(" ", rapid.IntRange(1, 8).Draw(t, "indent"))
		for i := range rapid.IntRange(0, 3).Draw(t, "policies before") {
			fill()
			fmt.Fprintf(&text, "%sp%d: {limits: [1/s]}%s", indent, i, ending.Draw(t, "ending"))
		}
		fill()
		text.WriteString(indent + rapid.SampledFrom([]string{"api: ", "'api': ", `"api":  `}).Draw(t, "name"))
		path := "policies.api.limits.day"
		before := rapid.SampledFrom([]string{
			"{limits: {day: ", "{ shadow: true , limits: { hour: 1/h, 'day':   ", "{limits: {day: '", "{limits: {day: \"",
			"\n" + indent + "  limits:\n" + indent + "    day: ", "\n" + indent + "  limits: # x\n\n" + indent + "   hour: 1/h\n" + indent + "   day: ",
			"\n" + indent + "  limits: {hour: 1/h,\n" + indent + "    day: ",
		}).Draw(t, "before the value")
		text.WriteString(before)
		start := text.String()
		if strings.HasSuffix(start, "'") || strings.HasSuffix(start, `"`) {
			start = start[:len(start)-1] // the value begins with its quote
		}
		text.WriteString("10/fortnight")
		text.WriteString(map[byte]string{'\'': "'}}", '"': "\"}}"}[before[len(before)-1]])
		if strings.Contains(before, "{") && before[len(before)-1] == ' ' {
			text.WriteString(strings.Repeat("}", strings.Count(before, "{")))
		}
		text.WriteString(ending.Draw(t, "ending"))
		fill()

		document := text.String()
		if rapid.Bool().Draw(t, "CRLF") {
			document, start = strings.ReplaceAll(document, "\n", "\r\n"), strings.ReplaceAll(start, "\n", "\r\n")
		}
		line := strings.Count(start, "\n") + 1
		column := len([]rune(start[strings.LastIndexByte(start, '\n')+1:])) + 1
		wrongPrefix := strings.Contains(document, "é'") // which is a fault of its own, in front
		var fault *Fault
		for _, f := range faultsOf(t, document) {
			if f.Path == path {
				fault = f
			} else if f.Path != "key_prefix" || !wrongPrefix {
				t.Errorf("Parse(%q): fault %v", document, f)
			}
		}
		if fault == nil || fault.Line != line || fault.Column != column {
			t.Errorf("Parse(%q): fault %v, want it at %d:%d", document, fault, line, column)
		}
	})
}
