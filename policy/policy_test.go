package policy_test

import (
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

// legal returns a policy without a fault.
func legal(name string) policy.Policy {
	return policy.Policy{
		Policy: sluice.Policy{Name: name, Limits: []sluice.Limit{sluice.PerSecond(10).WithBurst(20), sluice.PerDay(1000)}},
		Key:    []policy.KeyPart{{Kind: policy.IP}, {Kind: policy.Header, Name: "X-Tenant"}},
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*policy.Policy)
		want   []string
	}{
		{"none", func(*policy.Policy) {}, nil},
		{"no key", func(p *policy.Policy) { p.Key = nil }, nil},
		{"everything else", func(p *policy.Policy) { p.Missing, p.OnError, p.Shadow = policy.MissingAllow, sluice.Deny, true }, nil},
		{"name", func(p *policy.Policy) { p.Name = "A" }, []string{
			`name: "A" must be a letter or digit of a-z and 0-9, followed by up to 62 of a-z, 0-9, '.', '_' and '-'`,
		}},
		{"inline name", func(p *policy.Policy) { p.Name = "~a" }, []string{
			`name: "~a" begins with "~", which marks limits that a caller brings along; leave it out`,
		}},
		{"limits", func(p *policy.Policy) {
			p.Limits = []sluice.Limit{sluice.PerDay(1), sluice.PerDay(0), sluice.PerDay(2)}
		}, []string{
			"limits[1]: the count is 0; it must be 1 to 4294967295",
			`limits[2]: its name "day" is also that of limits[0]; a name must be unique in its policy: give one of them another`,
		}},
		{"penalty", func(p *policy.Policy) { p.Penalty = &sluice.Penalty{After: 0, Within: -1, For: 2, Max: 1} }, []string{
			"block.after: it is 0; it must be 1 to 4294967295 refusals",
			"block.within: it is -1ns; it must be 1ms to 366d",
			"block.for: it is 2ns; it must be 1ms to 366d",
			"block.max: it is 1ns; it must be 1ms to 366d",
			"block.max: it is 1ns, shorter than the first block of 2ns; give at least that, or leave it out",
		}},
		{"deny cache and lease", func(p *policy.Policy) { p.DenyCache, p.Lease = true, &sluice.Lease{Share: 10, TTL: time.Second} }, nil},
		{"lease", func(p *policy.Policy) { p.Lease = &sluice.Lease{Share: 101} }, []string{
			"lease.share: it is 101%; it must be 1% to 100%",
			"lease.ttl: it is 0s; it must be 10ms to 1m",
		}},
		{"key parts", func(p *policy.Policy) {
			p.Key = []policy.KeyPart{
				{Kind: policy.Header, Name: "X-A"},
				{Kind: policy.Header, Name: "x-a"},
				{Kind: policy.Cookie, Name: "a b"},
				{Kind: policy.Cookie},
				{Kind: policy.IP, Name: "x"},
				{Kind: 99},
				{Kind: policy.Cookie, Name: "x-a"},
			}
		}, []string{
			"key[1]: header:x-a is there twice; once is enough",
			"key[2]: the name \"a b\" holds a character that a cookie name cannot have; letters, digits and !#$%&'*+-.^_`|~ can be in it",
			"key[3]: the name is missing; write cookie:NAME",
			"key[4]: ip takes no name; write ip alone",
			"key[5]: there is no kind of key part number 99; it must be ip, header:NAME, cookie:NAME, path or method",
		}},
		{"many key parts", func(p *policy.Policy) {
			p.Key = nil
			for i := range policy.MaxKeyParts + 1 {
				p.Key = append(p.Key, policy.KeyPart{Kind: policy.Cookie, Name: fmt.Sprint(i)})
			}
		}, []string{"key: there are 9 parts; there can be at most 8"}},
		{"what a program can set wrong", func(p *policy.Policy) { p.Missing, p.OnError = 7, 7 }, []string{
			"missing: it is Missing(7); it must be refuse or allow",
			"on_error: it is ErrorPolicy(7); it must be allow, deny or local",
		}},
		{"several", func(p *policy.Policy) { p.Name, p.Limits, p.Key = "", nil, []policy.KeyPart{{Kind: policy.Header}} }, []string{
			`name: "" must be a letter or digit of a-z and 0-9, followed by up to 62 of a-z, 0-9, '.', '_' and '-'`,
			`limits: there is none; give at least one, such as "100/minute"`,
			"key[0]: the name is missing; write header:NAME",
		}},
	} {
		p := legal("api")
		test.change(&p)
		var got []string
		for _, f := range p.Faults() {
			got = append(got, f.Error())
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: Faults, -want +got:\n%s", test.name, diff)
		}
		if err := p.Validate(); (err == nil) != (test.want == nil) || err != nil && err.Error() != strings.Join(test.want, "\n") {
			t.Errorf("%s: Validate = %v, want the faults", test.name, err)
		}
	}
}

func TestRevision(t *testing.T) {
	t.Parallel()
	p := legal("api")
	// The revisions are those of the first version: a change would invalidate what clients of running servers hold.
	const want = "7e6c616aeb98e092e470c239c2191fca"
	if got := p.Revision(); got != want {
		t.Errorf("Revision = %q, want %q", got, want)
	}
	same := legal("api")
	same.Limits = []sluice.Limit{sluice.PerSecond(10).WithBurst(20).WithName("second"), sluice.PerDay(1000)}
	if got := same.Revision(); got != want {
		t.Errorf("Revision with the name of a limit spelled out = %q, want %q", got, want)
	}
	same.ResetAt = 5
	if got := same.Revision(); got != want {
		t.Errorf("Revision after a reset of all counters = %q, want %q", got, want)
	}
	seen := map[string]string{want: "unchanged"}
	for name, change := range map[string]func(*policy.Policy){
		"name":         func(p *policy.Policy) { p.Name = "apj" },
		"count":        func(p *policy.Policy) { p.Limits[1] = sluice.PerDay(1001) },
		"limit's name": func(p *policy.Policy) { p.Limits[1] = sluice.PerDay(1000).WithName("x") },
		"algorithm":    func(p *policy.Policy) { p.Limits[1] = sluice.PerDay(1000).WithAlgorithm(sluice.FixedWindow) },
		"limits":       func(p *policy.Policy) { p.Limits = p.Limits[:1] },
		"order":        func(p *policy.Policy) { slices.Reverse(p.Limits) },
		"key":          func(p *policy.Policy) { p.Key = p.Key[:1] },
		"key's name":   func(p *policy.Policy) { p.Key[1].Name = "X-User" },
		"missing":      func(p *policy.Policy) { p.Missing = policy.MissingAllow },
		"on_error":     func(p *policy.Policy) { p.OnError = sluice.Deny },
		"shadow":       func(p *policy.Policy) { p.Shadow = true },
		"block":        func(p *policy.Policy) { p.Penalty = &sluice.Penalty{After: 1, Within: 1, For: 1} },
		"after":        func(p *policy.Policy) { p.Penalty = &sluice.Penalty{After: 2, Within: 1, For: 1} },
		"within":       func(p *policy.Policy) { p.Penalty = &sluice.Penalty{After: 1, Within: 2, For: 1} },
		"for":          func(p *policy.Policy) { p.Penalty = &sluice.Penalty{After: 1, Within: 1, For: 2} },
		"max":          func(p *policy.Policy) { p.Penalty = &sluice.Penalty{After: 1, Within: 1, For: 1, Max: 2} },
		"deny_cache":   func(p *policy.Policy) { p.DenyCache = true },
		"lease":        func(p *policy.Policy) { p.Lease = &sluice.Lease{Share: 1, TTL: 1} },
		"share":        func(p *policy.Policy) { p.Lease = &sluice.Lease{Share: 2, TTL: 1} },
		"ttl":          func(p *policy.Policy) { p.Lease = &sluice.Lease{Share: 1, TTL: 2} },
		"override":     func(p *policy.Policy) { p.Overrides = []policy.Override{override("a", time.Time{}, sluice.PerDay(1))} },
		"pattern":      func(p *policy.Policy) { p.Overrides = []policy.Override{override("a*", time.Time{}, sluice.PerDay(1))} },
		"until":        func(p *policy.Policy) { p.Overrides = []policy.Override{override("a", year(2030), sluice.PerDay(1))} },
		"other limits": func(p *policy.Policy) { p.Overrides = []policy.Override{override("a", time.Time{}, sluice.PerDay(2))} },
		"one more": func(p *policy.Policy) {
			p.Overrides = []policy.Override{override("a", time.Time{}, sluice.PerDay(1)), override("b", time.Time{}, sluice.PerDay(1))}
		},
	} {
		p := legal("api")
		change(&p)
		got := p.Revision()
		if other, twice := seen[got]; twice {
			t.Errorf("Revision with another %s is that with another %s", name, other)
		}
		seen[got] = name
	}
}

func TestNewSnapshot(t *testing.T) {
	t.Parallel()
	given := []policy.Policy{legal("login"), legal("api"), legal("api.v2")}
	given[1].Lease = &sluice.Lease{Share: 10, TTL: time.Second}
	s, err := policy.NewSnapshot(given, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	given[1].Limits[0], given[1].Key[0] = sluice.PerDay(1), policy.KeyPart{Kind: policy.Path}
	given[1].Lease.Share = 20

	var names []string
	for p := range s.All() {
		names = append(names, p.Name)
	}
	if diff := cmp.Diff([]string{"api", "api.v2", "login"}, names); diff != "" {
		t.Errorf("All, -want +got:\n%s", diff)
	}
	for p := range s.All() {
		if p.Name != "api" {
			t.Errorf("All went on to %s after it was stopped", p.Name)
		}
		break
	}
	want := legal("api")
	want.Lease = &sluice.Lease{Share: 10, TTL: time.Second}
	if got, ok := s.Get("api"); !ok || got.Revision() != want.Revision() {
		t.Errorf("Get(api) = %+v, %t, want what was given, whatever becomes of it afterwards", got, ok)
	}
	for _, name := range []string{"", "API", "~api", "api.v3"} {
		if got, ok := s.Get(name); ok || got != nil {
			t.Errorf("Get(%q) = %+v, %t, want none", name, got, ok)
		}
	}
}

func TestNewSnapshotFaults(t *testing.T) {
	t.Parallel()
	bad, wild, last := legal("api"), legal("two\nlines"), legal("last")
	bad.Limits[1] = sluice.PerDay(0)
	last.Key[1].Name = ""
	_, err := policy.NewSnapshot([]policy.Policy{legal("login"), bad, wild, legal("login"), last}, time.Time{})
	want := strings.Join([]string{
		"policies.api.limits[1]: the count is 0; it must be 1 to 4294967295",
		`policies."two\nlines".name: "two\nlines" must be a letter or digit of a-z and 0-9, followed by up to 62 of a-z, 0-9, '.', '_' and '-'`,
		"policies.login: there are two policies of this name; give one of them another",
		"policies.last.key[1]: the name is missing; write header:NAME",
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("NewSnapshot error = %v\nwant %s", err, want)
	}
	if invalid := (*sluice.InvalidError)(nil); !errors.As(err, &invalid) || invalid.Field != "policies.api.limits[1]" {
		t.Errorf("NewSnapshot error holds %v, want the *sluice.InvalidError of each fault", invalid)
	}
}

func TestZeroSnapshot(t *testing.T) {
	t.Parallel()
	var s policy.Snapshot
	if p, ok := s.Get("api"); ok {
		t.Errorf("Get of a zero Snapshot = %+v, want none", p)
	}
	for p := range s.All() {
		t.Errorf("All of a zero Snapshot has %+v", p)
	}
}

func TestMissingString(t *testing.T) {
	t.Parallel()
	for m, want := range map[policy.Missing]string{policy.MissingRefuse: "refuse", policy.MissingAllow: "allow", 7: "Missing(7)"} {
		if got := m.String(); got != want {
			t.Errorf("String of %d = %q, want %q", uint8(m), got, want)
		}
	}
}

// TestRevisionTellsPoliciesApart makes policies that differ, and looks for two with one revision.
func TestRevisionTellsPoliciesApart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, q := drawPolicy(t, 1), drawPolicy(t, 1)
		equal := samePolicies(p, q) == ""
		if same := p.Revision() == q.Revision(); same != equal {
			t.Errorf("revisions of %+v and %+v are equal: %t, want %t", p, q, same, equal)
		}
	})
}
