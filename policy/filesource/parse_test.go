package filesource

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/schedule"
)

// complete is a file that gives every field, each with another value than its default.
const complete = `# Every field.
listen:
  http: 127.0.0.1:9090
  admin: 127.0.0.1:9091
  grpc: unix:/run/sluice.sock
  http_tls: {cert_file: http.pem, key_file: http.key}
  admin_tls: {cert_file: admin.pem, key_file: admin.key, client_ca_file: admins.pem}
  max_connections: 500
  idle_time: 2m
  grpc_tls: {cert_file: tls/cert.pem, key_file: /tls/key.pem, client_ca_file: ca.pem, client_name: envoy.example}
  resp: 127.0.0.1:9092
  resp_password: open sesame
  resp_tls: {cert_file: resp.pem, key_file: resp.key}
store: rediss://user:pass%21word@redis.example:6380/2?addr=other.example:6380
store_timeout: 10s
store_max_keys: 5000
key_prefix: "app:"
hash_keys: true
trusted_proxies:
  - 10.0.0.0/8
  - fd00::/8
allow_inline_limits: true
ready_requires_store: true
policies:
  login:
    key: [ip, header:X-Tenant, cookie:session, path, method]
    missing: allow
    limits: [5/15m, 100/day fixed-window aligned]
    on_error: deny
    shadow: true
    lease: {}
  api.v1:
    key: header:X-API-Key
    limits: {day: 10000/day, burst: 10/s burst 20}
    block: {after: 100, within: 1m, for: 15m, max: 24h}
    deny_cache: true
    lease: {share: 25%, ttl: 500ms}
    overrides:
      tenant-42: {limits: {burst: 100/s burst 200}}
      "trial-*": {limits: [1/s], until: 2027-01-01T01:00:00+01:00}
      user:7: {limits: [5/s], until: "2001-01-01T00:00:00Z"} # ended
schedules:
  nightly-reset: {cron: "0 0 * * *", timezone: Europe/Berlin, missed: all, reset: {policy: login}}
  ramp-up: {cron: "@hourly", adjust: {policy: api.v1, limit: burst, by: +1, min: 5, max: 50}}
  night-rate: {cron: 0 22 * * *, set: {policy: api.v1, limits: {burst: 100/s burst 200}}}
  vip: {cron: "@daily", override: {policy: api.v1, key: user:8, limits: [9/s], for: 1d}}
  weekend:
    cron: 0 0 * * sat
    block:
      policy: login
      key: 42
      for: 2d
      reason: closed
admin: {tokens_file: tokens, checks_require_token: true}
envoy:
  directory: ratelimit
  merge_domains: true
  on_error: deny
  deny_cache: true
  near_limit_ratio: 0.5
  shadow_mode: true
  quota_mode: true
  dynamic_metadata: true
  response_headers: true
  limit_header: X-Limit
  remaining_header: X-Remaining
  reset_header: X-Reset
`

func parse(t *testing.T, text string) *File {
	t.Helper()
	f, err := Parse("sluice.yaml", []byte(text))
	if err != nil {
		t.Fatalf("Parse(%q):\n%v", text, err)
	}
	return f
}

// diff compares files, limits by what they are and not by how their names came about.
func diff(want, got *File) string {
	return cmp.Diff(want, got, cmp.AllowUnexported(sluice.Limit{}), cmpopts.IgnoreUnexported(policy.Policy{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }))
}

func TestParseComplete(t *testing.T) {
	t.Parallel()
	want := &File{
		Listen: Listen{
			HTTP: "127.0.0.1:9090", Admin: "127.0.0.1:9091", GRPC: "unix:/run/sluice.sock",
			GRPCTLS: TLS{CertFile: "tls/cert.pem", KeyFile: "/tls/key.pem", ClientCAFile: "ca.pem", ClientName: "envoy.example"},
			RESP:    "127.0.0.1:9092", RESPPassword: "open sesame", RESPTLS: TLS{CertFile: "resp.pem", KeyFile: "resp.key"},
			HTTPTLS:        TLS{CertFile: "http.pem", KeyFile: "http.key"},
			AdminTLS:       TLS{CertFile: "admin.pem", KeyFile: "admin.key", ClientCAFile: "admins.pem"},
			MaxConnections: 500, IdleTime: 2 * time.Minute,
		},
		Admin: Admin{TokensFile: "tokens", ChecksRequireToken: true},
		Envoy: Envoy{
			Directory: "ratelimit", MergeDomains: true, OnError: sluice.Deny, DenyCache: true, NearLimitRatio: 0.5, ShadowMode: true, QuotaMode: true,
			DynamicMetadata: true, ResponseHeaders: true, LimitHeader: "X-Limit", RemainingHeader: "X-Remaining", ResetHeader: "X-Reset",
		},
		Store:              "rediss://user:pass%21word@redis.example:6380/2?addr=other.example:6380",
		StoreTimeout:       10 * time.Second,
		StoreMaxKeys:       5000,
		KeyPrefix:          "app:",
		HashKeys:           true,
		TrustedProxies:     []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")},
		AllowInlineLimits:  true,
		ReadyRequiresStore: true,
		Policies: []policy.Policy{
			{
				Policy: sluice.Policy{Name: "login", Limits: []sluice.Limit{
					sluice.Per(5, 15*time.Minute),
					sluice.PerDay(100).WithAligned(),
				}, Lease: &sluice.Lease{Share: 10, TTL: time.Second}},
				Key: []policy.KeyPart{
					{Kind: policy.IP},
					{Kind: policy.Header, Name: "X-Tenant"},
					{Kind: policy.Cookie, Name: "session"},
					{Kind: policy.Path},
					{Kind: policy.Method},
				},
				Missing: policy.MissingAllow,
				OnError: sluice.Deny,
				Shadow:  true,
			},
			{
				Policy: sluice.Policy{
					Name: "api.v1", Limits: []sluice.Limit{
						sluice.PerDay(10_000).WithName("day"),
						sluice.PerSecond(10).WithBurst(20).WithName("burst"),
					}, Penalty: &sluice.Penalty{After: 100, Within: time.Minute, For: 15 * time.Minute, Max: 24 * time.Hour},
					DenyCache: true, Lease: &sluice.Lease{Share: 25, TTL: 500 * time.Millisecond},
				},
				Key: []policy.KeyPart{{Kind: policy.Header, Name: "X-API-Key"}},
				Overrides: []policy.Override{
					{Pattern: "tenant-42", Limits: []sluice.Limit{sluice.PerSecond(100).WithBurst(200).WithName("burst")}},
					{Pattern: "trial-*", Limits: []sluice.Limit{sluice.PerSecond(1)}, Until: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)},
					{Pattern: "user:7", Limits: []sluice.Limit{sluice.PerSecond(5)}, Until: time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)},
				},
			},
		},
		Schedules: []schedule.Schedule{
			{
				Name: "nightly-reset", Cron: "0 0 * * *", Timezone: "Europe/Berlin", Missed: schedule.All,
				Job: schedule.Job{Reset: &schedule.Reset{Policy: "login"}},
			},
			{
				Name: "ramp-up", Cron: "@hourly", Timezone: "UTC",
				Job: schedule.Job{Adjust: &schedule.Adjust{Policy: "api.v1", Limit: "burst", By: 1, Min: 5, Max: 50}},
			},
			{
				Name: "night-rate", Cron: "0 22 * * *", Timezone: "UTC",
				Job: schedule.Job{Set: &schedule.Set{
					Policy: "api.v1", Limits: []sluice.Limit{sluice.PerSecond(100).WithBurst(200).WithName("burst")},
				}},
			},
			{
				Name: "vip", Cron: "@daily", Timezone: "UTC",
				Job: schedule.Job{Override: &schedule.Override{
					Policy: "api.v1", Key: "user:8", Limits: []sluice.Limit{sluice.PerSecond(9)}, For: 24 * time.Hour,
				}},
			},
			{
				Name: "weekend", Cron: "0 0 * * sat", Timezone: "UTC",
				Job: schedule.Job{Block: &schedule.Block{Policy: "login", Key: "42", For: 48 * time.Hour, Reason: "closed"}},
			},
		},
	}
	if d := diff(want, parse(t, complete)); d != "" {
		t.Errorf("Parse, -want +got:\n%s", d)
	}
	for name, text := range map[string]string{
		"with a byte order mark": "\ufeff" + complete,
		"with CRLF":              strings.ReplaceAll(complete, "\n", "\r\n"),
		"after ---":              "---\n" + complete + "...\n",
		"without the last \\n":   strings.TrimSuffix(complete, "\n"),
	} {
		if d := diff(want, parse(t, text)); d != "" {
			t.Errorf("Parse %s, -want +got:\n%s", name, d)
		}
	}
}

func TestParseDefaults(t *testing.T) {
	t.Parallel()
	want := &File{
		Listen: Listen{HTTP: "127.0.0.1:8080", GRPC: "127.0.0.1:8081", MaxConnections: 10_000, IdleTime: 10 * time.Minute},
		Envoy: Envoy{
			NearLimitRatio: 0.8, LimitHeader: "RateLimit-Limit", RemainingHeader: "RateLimit-Remaining", ResetHeader: "RateLimit-Reset",
		},
		Store:          "memory",
		StoreTimeout:   100 * time.Millisecond,
		StoreMaxKeys:   1_000_000,
		KeyPrefix:      "sluice:",
		TrustedProxies: []netip.Prefix{},
		Policies:       []policy.Policy{},
		Schedules:      []schedule.Schedule{},
	}
	if d := diff(want, parse(t, "policies: {}")); d != "" {
		t.Errorf("Parse of a file that gives nothing, -want +got:\n%s", d)
	}
	got := parse(t, "policies: {api: {limits: [1/s]}}").Policies
	if d := cmp.Diff([]policy.Policy{{
		Policy: sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerSecond(1)}},
		Key:    nil, Missing: policy.MissingRefuse, OnError: sluice.Allow, Shadow: false,
	}}, got, cmp.AllowUnexported(sluice.Limit{}), cmpopts.IgnoreUnexported(policy.Policy{})); d != "" {
		t.Errorf("a policy that gives only its limits, -want +got:\n%s", d)
	}
}

// TestPathsBeginAtTheFile reads paths that are beside the file, wherever the server was started.
func TestPathsBeginAtTheFile(t *testing.T) {
	t.Parallel()
	f, err := Parse("/etc/sluice/sluice.yaml", []byte("envoy: {directory: ./ratelimit}\nadmin: {tokens_file: t}\n"+
		"listen: {grpc_tls: {cert_file: ../c.pem, key_file: /k.pem}, resp_tls: {key_file: k.pem}, http_tls: {key_file: k.pem}, admin_tls: {key_file: k.pem}}"))
	if err != nil {
		t.Fatal(err)
	}
	if want := (TLS{CertFile: "/etc/c.pem", KeyFile: "/k.pem"}); f.Envoy.Directory != "/etc/sluice/ratelimit" || f.Listen.GRPCTLS != want {
		t.Errorf("the paths are %q and %+v, want /etc/sluice/ratelimit and %+v", f.Envoy.Directory, f.Listen.GRPCTLS, want)
	}
	if got := f.Admin.TokensFile; got != "/etc/sluice/t" {
		t.Errorf("the path of the tokens is %q", got)
	}
	if got, admin := f.Listen.HTTPTLS.KeyFile, f.Listen.AdminTLS.KeyFile; got != "/etc/sluice/k.pem" || admin != got {
		t.Errorf("the paths of the keys are %q and %q", got, admin)
	}
	if got := f.Listen.RESPTLS.KeyFile; got != "/etc/sluice/k.pem" {
		t.Errorf("the path of the other door's key is %q, want /etc/sluice/k.pem", got)
	}
}

// TestDefaultsHold writes every field with its default, and finds what a file that gives nothing means.
func TestDefaultsHold(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for _, f := range Fields() {
		switch {
		case strings.HasPrefix(f.Path, "policies"), strings.HasPrefix(f.Path, "schedules"):
		case f.Type == "mapping" && strings.Contains(f.Path, "."): // nothing in it has a default
		case f.Type == "mapping":
			text.WriteString(f.Path + ":\n")
		case f.Default != "":
			indent := strings.Repeat("  ", strings.Count(f.Path, "."))
			text.WriteString(indent + f.Path[strings.LastIndexByte(f.Path, '.')+1:] + ": " + f.Default + "\n")
		}
	}
	text.WriteString("policies:\n  given:\n    limits: [1/s]\n")
	for _, f := range Fields() {
		if name, ok := strings.CutPrefix(f.Path, "policies.NAME."); ok && f.Default != "" && !strings.Contains(name, ".") {
			text.WriteString("    " + name + ": " + f.Default + "\n")
		}
	}
	text.WriteString("schedules:\n  given:\n    cron: '@hourly'\n    reset: {policy: given}\n")
	for _, f := range Fields() {
		if name, ok := strings.CutPrefix(f.Path, "schedules.NAME."); ok && f.Default != "" {
			text.WriteString("    " + name + ": " + f.Default + "\n")
		}
	}
	const bare = "policies: {given: {limits: [1/s]}}\nschedules: {given: {cron: '@hourly', reset: {policy: given}}}"
	if d := diff(parse(t, bare), parse(t, text.String())); d != "" {
		t.Errorf("all defaults given, -without +with:\n%s\n%s", d, text.String())
	}
	r := newReader("default")
	defaults(r, fileSettings, new(File))
	defaults(r, listenSettings, new(Listen))
	defaults(r, adminSettings, new(Admin))
	defaults(r, policySettings, &draft{values: make(values)})
	defaults(r, leaseSettings, &draft{Policy: policy.Policy{Policy: sluice.Policy{Lease: new(sluice.Lease)}}, values: make(values)})
	defaults(r, scheduleSettings, &scheduleDraft{values: make(values)})
	if err := r.err(); err != nil {
		t.Errorf("defaults have faults: %v", err)
	}
}

// TestFields looks whether every field is described, and whether the file that gives them all does.
func TestFields(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, f := range Fields() {
		if f.Type == "" || !strings.HasSuffix(f.Doc, ".") || seen[f.Path] {
			t.Errorf("field %+v is not described, or twice", f)
		}
		seen[f.Path] = true
		name := f.Path[strings.LastIndexByte(f.Path, '.')+1:]
		if name != "NAME" && !strings.Contains(complete, name+":") {
			t.Errorf("the complete file does not give %s", f.Path)
		}
		if parent := strings.LastIndexByte(f.Path, '.'); parent > 0 && !seen[f.Path[:parent]] {
			t.Errorf("field %s stands before the mapping that it is in", f.Path)
		}
	}
	if want := []string{"listen", "listen.http", "policies.NAME.limits"}; slices.ContainsFunc(want, func(p string) bool { return !seen[p] }) {
		t.Errorf("Fields has %v, want %v in it", seen, want)
	}
}
