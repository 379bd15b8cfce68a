package policy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
)

// complete is a policy that sets everything, and its document.
func complete() (policy.Policy, string) {
	p := legal("api")
	p.Key = []policy.KeyPart{{Kind: policy.Header, Name: "X-API-Key"}, {Kind: policy.Cookie, Name: "a&b"}}
	p.Missing, p.OnError, p.Shadow = policy.MissingAllow, sluice.Deny, true
	p.Penalty = &sluice.Penalty{After: 100, Within: time.Minute, For: 15 * time.Minute, Max: 24 * time.Hour}
	p.DenyCache, p.Lease = true, &sluice.Lease{Share: 25, TTL: 500 * time.Millisecond}
	p.Overrides = []policy.Override{
		override("trial-*", year(2027), sluice.PerSecond(1), sluice.PerDay(5)),
		override("tenant-42", time.Time{}, sluice.PerSecond(100).WithBurst(200)),
	}
	return p, `{"key":["header:X-API-Key","cookie:a&b"],"missing":"allow","limits":{"second":"10/s burst 20","day":"1000/day"},` +
		`"on_error":"deny","shadow":true,"deny_cache":true,"block":{"after":100,"within":"1m","for":"15m","max":"1d"},"lease":{"share":"25%","ttl":"500ms"},` +
		`"overrides":{"tenant-42":{"limits":{"second":"100/s burst 200"}},` +
		`"trial-*":{"limits":{"second":"1/s","day":"5/day"},"until":"2027-01-01T00:00:00Z"}}}`
}

func TestDocument(t *testing.T) {
	t.Parallel()
	p, want := complete()
	if got := string(p.Document()); got != want {
		t.Errorf("Document = %s\nwant %s", got, want)
	}
	least := policy.Policy{Policy: sluice.Policy{Name: "x", Limits: []sluice.Limit{sluice.PerSecond(1)}, ResetAt: 5}}
	const leastWant = `{"missing":"refuse","limits":{"second":"1/s"},"on_error":"allow","shadow":false,"deny_cache":false}`
	if got := string(least.Document()); got != leastWant {
		t.Errorf("Document of a policy with nothing but limits = %s, want %s", got, leastWant)
	}
	var none policy.Policy
	if !json.Valid(none.Document()) {
		t.Errorf("Document of no policy = %s, want JSON", none.Document())
	}
}

func TestParseDocument(t *testing.T) {
	t.Parallel()
	all, document := complete()
	least := policy.Policy{Policy: sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.Per(5, 15*time.Minute).WithName("15m")}}}
	for text, want := range map[string]policy.Policy{
		document:                             all,
		" {\n\"limits\" : [\"5/15m\"] }\r\n": least,
		`{"limits":{"15m":"5/15m"},"key":[],"overrides":{}}`: least,
		`{"limits":["5/15m"],"key":"ip","block":{"after":1,"within":"90s","for":"1m30s"}}`: {
			Policy: sluice.Policy{
				Name: "api", Limits: least.Limits, Penalty: &sluice.Penalty{After: 1, Within: 90 * time.Second, For: 90 * time.Second},
			},
			Key: []policy.KeyPart{{Kind: policy.IP}},
		},
		`{"limits":["5/15m"],"lease":{},"deny_cache":false}`: {
			Policy: sluice.Policy{Name: "api", Limits: least.Limits, Lease: &sluice.Lease{Share: 10, TTL: time.Second}},
		},
		`{"limits":["5/15m"],"lease":{"ttl":"10ms"}}`: {
			Policy: sluice.Policy{Name: "api", Limits: least.Limits, Lease: &sluice.Lease{Share: 10, TTL: 10 * time.Millisecond}},
		},
	} {
		got, err := policy.ParseDocument("api", []byte(text))
		if err != nil || got.Name != "api" || got.Revision() != want.Revision() {
			t.Errorf("ParseDocument(%s) = %+v, %v, want %+v", text, got, err, want)
		}
	}
}

func TestParseDocumentFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, document string
		want           []string
	}{
		{"nothing", "", []string{"document: it is not JSON: it ends too early, near byte 0"}},
		{"half", `{"limits": ["1/s"]`, []string{"document: it is not JSON: it ends too early, near byte 18"}},
		{"YAML", "limits: [1/s]", []string{"document: it is not JSON: invalid character 'l' looking for beginning of value, near byte 0"}},
		{"two", `{"limits": ["1/s"]} {}`, []string{"document: it is not JSON: something follows its end, near byte 21"}},
		{"no UTF-8", "{\"key\": \"\xff\"}", []string{"document: it is not UTF-8"}},
		{"deep", strings.Repeat("[", 1000), []string{"document: it is not JSON: it is nested more than 16 deep, near byte 17"}},
		{"a list", "[]", []string{
			"document: it is a list; it must be an object",
			`limits: there is none; give at least one, such as "100/minute"`,
		}},
		{"no limits", "{}", []string{`limits: there is none; give at least one, such as "100/minute"`}},
		{"unknown fields", `{"limts": ["1/s"], "limits": ["1/s"], "a b": null, "block": {"after": 1, "within": "1s", "for": "1s", "fro": 1}, "lease": {"tttl": 1}, "overrides": {"x": {"limits": ["1/s"], "untli": 1}}}`, []string{
			"limts: there is no such field here; did you mean limits?",
			`"a b": there is no such field here; there are key, missing, limits, on_error, shadow, deny_cache, block, lease, overrides`,
			"block.fro: there is no such field here; did you mean for?",
			"lease.tttl: there is no such field here; did you mean ttl?",
			"overrides.x.untli: there is no such field here; did you mean until?",
		}},
		{"given twice", `{"limits": {"a": "1/s", "a": "2/s"}, "shadow": true, "shadow": true, "overrides": {"x": {"limits": ["1/s"]}, "x": {}}}`, []string{
			"limits.a: it is there twice; take one of them out",
			"shadow: it is there twice; take one of them out",
			"overrides.x: it is there twice; take one of them out",
		}},
		{"other types", `{"key": {}, "missing": true, "limits": "1/s", "on_error": null, "shadow": "true", "deny_cache": 1, "block": 1, "lease": true, "overrides": []}`, []string{
			"key: it is an object; it must be text",
			"missing: it is true or false; it must be text",
			`limits: it is text; it must be an object of names and limits, as in {"second": "10/s"}, or a list of limits, as in ["10/s"]`,
			"on_error: it is null; it must be text",
			"shadow: it is text; it must be true or false",
			"deny_cache: it is a number; it must be true or false",
			"block: it is a number; it must be an object",
			"lease: it is true or false; it must be an object",
			"overrides: it is a list; it must be an object of patterns and overrides",
		}},
		{"values", `{"key": ["ip", "address", "ip"], "missing": "maybe", "limits": {"second": "10/fortnight", "B": "1/s", "d": 10}, "on_error": "maybe"}`, []string{
			`key[1]: "address" is no part of a key; it must be ip, header:NAME, cookie:NAME, path or method`,
			`missing: it is "maybe"; it must be refuse or allow`,
			`limits.second: "10/fortnight": the period's unit "fortnight" is unknown; it must be one of ms, s (second), m (minute), h (hour), d (day), w (week)`,
			"limits.d: it is a number; it must be text",
			`on_error: it is "maybe"; it must be allow or deny or local`,
			`limits.B: the name "B" is not a letter or digit followed by up to 62 of a-z, 0-9, '.', '_' and '-'`,
			"key[2]: ip is there twice; once is enough",
		}},
		{"a list of limits", `{"limits": ["10/s", "5/s", "x", 1]}`, []string{
			`limits[2]: "x": "x" has no "/"; write COUNT/PERIOD, as in "100/minute"`,
			"limits[3]: it is a number; it must be text",
			`limits[1]: its name "second" is also that of limits[0]; a name must be unique in its policy: give one of them another`,
		}},
		{"block", `{"limits": ["1/s"], "block": {"after": 1.5, "within": 60, "for": "1x", "max": "400d"}}`, []string{
			"block.after: it is 1.5; it must be a whole number from 1 to 4294967295",
			"block.within: it is a number; it must be text",
			`block.for: "1x" is no duration; write a number and ms, s, m, h or d, as in "100ms" or "1m30s"`,
			"block.max: it is 400d; it must be 1ms to 366d",
		}},
		{"lease", `{"limits": ["1/s"], "lease": {"share": "10", "ttl": 1}}`, []string{
			`lease.share: "10" is no share; write whole percent, as in "10%"`,
			"lease.ttl: it is a number; it must be text",
		}},
		{"a lease out of range", `{"limits": ["1/s"], "lease": {"share": "0%", "ttl": "61s"}}`, []string{
			"lease.share: it is 0%; it must be 1% to 100%",
			"lease.ttl: it is 61s; it must be 10ms to 1m",
		}},
		{"an empty block", `{"limits": ["1/s"], "block": {"after": "1"}}`, []string{
			"block.after: it is text; it must be a whole number from 1 to 4294967295",
			"block.within: it is 0s; it must be 1ms to 366d",
			"block.for: it is 0s; it must be 1ms to 366d",
		}},
		{"overrides", `{"limits": ["1/s"], "overrides": {"": {"limits": ["1/s"]}, "a": {}, "b*": {"limits": {"second": "0/s", "X": "1/s"}, "until": "2027"}, "c d": {"limits": ["1/x"], "until": 1}}}`, []string{
			`overrides.b*.limits.second: "0/s": the count "0" is out of range; it must be 1 to 4294967295`,
			`overrides.b*.until: "2027" is no instant; write date, time and zone, as in 2027-01-01T00:00:00Z or 2027-01-01T00:00:00+01:00`,
			`overrides."c d".limits[0]: "1/x": the period's unit "x" is unknown; it must be one of ms, s (second), m (minute), h (hour), d (day), w (week)`,
			`overrides."c d".until: it is a number; it must be text`,
			`overrides."": the pattern is empty; it must be a key, or the beginning of keys and "*"`,
			`overrides.a.limits: there is none; give at least one, such as "100/minute"`,
			`overrides.b*.limits.X: the name "X" is not a letter or digit followed by up to 62 of a-z, 0-9, '.', '_' and '-'`,
		}},
	} {
		p, err := policy.ParseDocument("api", []byte(test.document))
		if err == nil || p.Name != "" {
			t.Errorf("%s: ParseDocument = %+v, %v, want no policy and an error", test.name, p, err)
			continue
		}
		if diff := cmp.Diff(test.want, strings.Split(err.Error(), "\n")); diff != "" {
			t.Errorf("%s: ParseDocument error, -want +got:\n%s", test.name, diff)
		}
	}
	_, err := policy.ParseDocument("Api", []byte(`{"limits": ["1/s"]}`))
	if invalid := (*sluice.InvalidError)(nil); !errors.As(err, &invalid) || invalid.Field != "name" {
		t.Errorf("ParseDocument with a name that is not legal: %v, want an *sluice.InvalidError of the name", err)
	}
}

// TestParseDocumentIsQuick reads documents as long as doors take, of more of everything than there can be. To compare
// each with all others would take a minute.
func TestParseDocumentIsQuick(t *testing.T) {
	t.Parallel()
	list := func(form string) string {
		var items strings.Builder
		for i := 0; items.Len() < 1<<20; i++ {
			fmt.Fprintf(&items, form, i)
		}
		return strings.TrimSuffix(items.String(), ",")
	}
	for name, test := range map[string]struct{ document, want string }{
		"key parts":       {`{"limits":["1/s"],"key":[` + list(`"header:h%d",`) + `]}`, "key: there are 66231 parts; there can be at most 8"},
		"limits":          {`{"limits":{` + list(`"l%d":"1/s",`) + `}}`, "limits: there are 70646; at most 8 can be charged together"},
		"a list":          {`{"limits":[` + list(`"%d/s",`) + `]}`, "limits: there are 105426; at most 8 can be charged together"},
		"of an override":  {`{"limits":["1/s"],"overrides":{"x":{"limits":{` + list(`"l%d":"1/s",`) + `}}}}`, "overrides.x.limits: there are 70646; at most 8 can be charged together"},
		"overrides, each": {`{"limits":["1/s"],"overrides":{` + list(`"o%d":{"limits":["1/s"]},`) + `}}`, "overrides: there are 37846; there can be at most 10000 here: set those of single keys one by one, which the store keeps without number"},
	} {
		begun := time.Now()
		_, err := policy.ParseDocument("api", []byte(test.document))
		if took := time.Since(begun); fmt.Sprint(err) != test.want || took > 10*time.Second {
			t.Errorf("%s: %.200s after %s, want %s", name, fmt.Sprint(err), took, test.want)
		}
	}
}

func TestParseDocumentFaultsAreBounded(t *testing.T) {
	t.Parallel()
	var fields strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&fields, `"x%d": 1, `, i)
	}
	_, err := policy.ParseDocument("api", []byte("{"+fields.String()+`"limits": ["1/s"]}`))
	lines := strings.Split(fmt.Sprint(err), "\n")
	if len(lines) != 1001 || lines[1000] != "document: there are 4000 faults more" {
		t.Errorf("%d faults, the last %s, want 1000 and a word about the other 4000", len(lines), lines[len(lines)-1])
	}
}

// TestDocumentIsRead shows that a policy is what its document says, and that its document is always the same.
func TestDocumentIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t, 2)
		document := p.Document()
		got, err := policy.ParseDocument(p.Name, document)
		if err != nil {
			t.Fatalf("ParseDocument(%s): %v", document, err)
		}
		if diff := samePolicies(p, got); diff != "" {
			t.Errorf("ParseDocument(%s), -want +got:\n%s", document, diff)
		}
		if got.Revision() != p.Revision() || string(got.Document()) != string(document) {
			t.Errorf("Revision %s, Document %s of ParseDocument(%s), want %s and the same", got.Revision(), got.Document(), document, p.Revision())
		}
		slices.Reverse(p.Overrides)
		if string(p.Document()) != string(document) || got.Revision() != p.Revision() {
			t.Errorf("Document with the overrides in another order = %s, want %s", p.Document(), document)
		}
	})
}

func FuzzParseDocument(f *testing.F) {
	_, document := complete()
	for _, seed := range []string{
		document, "", "null", "[[[[", `{"limits":["1/s"]}`, `{"limits":{"":"1/s"},"overrides":{"*":{"limits":["1/s"],"until":"x"}}}`, `{"block":{"after":1e9}}`,
		`{"a":{"a":{}}} x`, "{\"\u2028\":\"\x00\"}", `{"limits":["1/s"],"overrides":{"a":{"limits":["1/s"]},"a":1}}`,
		`{"limits":["1/s"],"deny_cache":true,"lease":{"share":"1%"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := policy.ParseDocument("api", data)
		if err != nil {
			for _, line := range strings.Split(err.Error(), "\n") {
				if !strings.Contains(line, ": ") || strings.ContainsAny(line, "\r\x00") {
					t.Errorf("ParseDocument(%q) error has a line without a path: %q", data, line)
				}
			}
			return
		}
		again, err := policy.ParseDocument("api", p.Document())
		if err != nil || again.Revision() != p.Revision() {
			t.Errorf("ParseDocument(%q) = %+v\nand by its document %s %+v, %v", data, p, p.Document(), again, err)
		}
	})
}
