package filesource

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
)

// complete is a file that gives every field, each with another value than its default.
const complete = `# Every field.
listen: {http: 127.0.0.1:9090, admin: 127.0.0.1:9091}
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
    deny_cache: false
  api.v1:
    key: header:X-API-Key
    limits: {day: 10000/day, burst: 10/s burst 20}
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
	return cmp.Diff(want, got, cmp.AllowUnexported(sluice.Limit{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }))
}

func TestParseComplete(t *testing.T) {
	t.Parallel()
	want := &File{
		Listen:             Listen{HTTP: "127.0.0.1:9090", Admin: "127.0.0.1:9091"},
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
				}},
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
				Policy: sluice.Policy{Name: "api.v1", Limits: []sluice.Limit{
					sluice.PerDay(10_000).WithName("day"),
					sluice.PerSecond(10).WithBurst(20).WithName("burst"),
				}},
				Key: []policy.KeyPart{{Kind: policy.Header, Name: "X-API-Key"}},
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
		Listen:         Listen{HTTP: "127.0.0.1:8080"},
		Store:          "memory",
		StoreTimeout:   100 * time.Millisecond,
		StoreMaxKeys:   1_000_000,
		KeyPrefix:      "sluice:",
		TrustedProxies: []netip.Prefix{},
		Policies:       []policy.Policy{},
	}
	if d := diff(want, parse(t, "policies: {}")); d != "" {
		t.Errorf("Parse of a file that gives nothing, -want +got:\n%s", d)
	}
	got := parse(t, "policies: {api: {limits: [1/s]}}").Policies
	if d := cmp.Diff([]policy.Policy{{
		Policy: sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerSecond(1)}},
		Key:    nil, Missing: policy.MissingRefuse, OnError: sluice.Allow, Shadow: false,
	}}, got, cmp.AllowUnexported(sluice.Limit{})); d != "" {
		t.Errorf("a policy that gives only its limits, -want +got:\n%s", d)
	}
}

// TestDefaultsHold writes every field with its default, and finds what a file that gives nothing means.
func TestDefaultsHold(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for _, f := range Fields() {
		switch {
		case strings.HasPrefix(f.Path, "policies"):
		case f.Type == "mapping":
			text.WriteString(f.Path + ":\n")
		case f.Default != "":
			indent := strings.Repeat("  ", strings.Count(f.Path, "."))
			text.WriteString(indent + f.Path[strings.LastIndexByte(f.Path, '.')+1:] + ": " + f.Default + "\n")
		}
	}
	text.WriteString("policies:\n  given:\n    limits: [1/s]\n")
	for _, f := range Fields() {
		if name, ok := strings.CutPrefix(f.Path, "policies.NAME."); ok && f.Default != "" {
			text.WriteString("    " + name + ": " + f.Default + "\n")
		}
	}
	if d := diff(parse(t, "policies: {given: {limits: [1/s]}}"), parse(t, text.String())); d != "" {
		t.Errorf("all defaults given, -without +with:\n%s\n%s", d, text.String())
	}
	r := newReader("default")
	defaults(r, fileSettings, new(File))
	defaults(r, listenSettings, new(Listen))
	defaults(r, policySettings, &draft{values: map[string]value{}})
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

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"100ms": 100 * time.Millisecond, "1m30s": 90 * time.Second, "24h": 24 * time.Hour, "1d": 24 * time.Hour,
		"1d12h": 36 * time.Hour, "0d1ms": time.Millisecond, "65535d": 65535 * 24 * time.Hour,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("parseDuration(%q) = %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "1", "d", "-1d", "1.5d", "1d-1h", "1d+1h", "1dx", "1h1d", "65536d", "65535d1000000h", "1 d", "1w"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("parseDuration(%q) = %s, want an error", text, got)
		}
	}
}

func TestSuggest(t *testing.T) {
	t.Parallel()
	names := []string{"limits", "key", "on_error", "store", "store_timeout"}
	for name, want := range map[string]string{
		"limit":        "did you mean limits?",
		"limtis":       "did you mean limits?",
		"LIMITS":       "did you mean limits?",
		"keys":         "did you mean key?",
		"kye":          "did you mean key?",
		"onerror":      "did you mean on_error?",
		"on-error":     "did you mean on_error?",
		"storetimeout": "did you mean store_timeout?",
		"stor":         "did you mean store?",
		"":             "there are limits, key, on_error, store, store_timeout",
		"quota":        "there are limits, key, on_error, store, store_timeout",
		"kxyz":         "there are limits, key, on_error, store, store_timeout",
	} {
		if got := suggest(name, names); got != want {
			t.Errorf("suggest(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "abc", 0},
		{"abc", "abd", 1},
		{"abc", "acb", 1},
		{"abc", "cab", 2},
		{"12ab", "34ba", 3},
		{"kitten", "sitting", 3},
		{"abcdefgh", "", 5},
		{"abcdefgh", "ijklmnop", 5},
	} {
		for _, pair := range [][2]string{{test.a, test.b}, {test.b, test.a}} {
			if got := distance(pair[0], pair[1], 5); got != test.want {
				t.Errorf("distance(%q, %q, 5) = %d, want %d", pair[0], pair[1], got, test.want)
			}
		}
	}
}
