package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
)

func TestOverrideFaults(t *testing.T) {
	t.Parallel()
	one := sluice.PerDay(1)
	for _, test := range []struct {
		name      string
		overrides []policy.Override
		want      []string
	}{
		{"none", []policy.Override{
			override("a", time.Time{}, one), override("a*", year(2200), one, sluice.PerHour(1)), override("*", year(1970), one),
			override(strings.Repeat("x", 4096), time.Time{}, one),
		}, nil},
		{"patterns", []policy.Override{
			override("", time.Time{}, one), override("a", time.Time{}, one), override("a", time.Time{}, one),
			override("\xff", time.Time{}, one), override(strings.Repeat("x", 4097), time.Time{}, one),
		}, []string{
			`overrides."": the pattern is empty; it must be a key, or the beginning of keys and "*"`,
			"overrides.a: there are two overrides of this pattern; take one of them out",
			`overrides."\xff": the pattern is no UTF-8; set the override of such a key by itself, which the store keeps`,
			`overrides."` + strings.Repeat("x", 64) + `": the pattern has 4097 bytes; it can have at most 4096`,
		}},
		{"limits", []policy.Override{override("a", time.Time{}), override("b*", time.Time{}, one, one, sluice.PerHour(0))}, []string{
			`overrides.a.limits: there is none; give at least one, such as "100/minute"`,
			`overrides.b*.limits[1]: its name "day" is also that of limits[0]; a name must be unique in its policy: give one of them another`,
			"overrides.b*.limits[2]: the count is 0; it must be 1 to 4294967295",
		}},
		{"until", []policy.Override{override("a", year(1969), one), override("b", year(2201), one)}, []string{
			"overrides.a.until: it is not from 1970 to 2200; leave it out where the override is for good",
			"overrides.b.until: it is not from 1970 to 2200; leave it out where the override is for good",
		}},
		{"too many", make([]policy.Override, policy.MaxOverrides+1), []string{
			"overrides: there are 10001; there can be at most 10000 here: set those of single keys one by one, which the store keeps without number",
		}},
	} {
		p := legal("api")
		p.Overrides = test.overrides
		var got []string
		for _, f := range p.Faults() {
			got = append(got, f.Error())
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: Faults, -want +got:\n%s", test.name, diff)
		}
	}
}

func TestEnded(t *testing.T) {
	t.Parallel()
	var p, before policy.Policy
	one := sluice.PerDay(1)
	p.Overrides = []policy.Override{
		override("good", time.Time{}, one), override("later", year(2030).Add(1), one), override("now", year(2030), one),
		override("old", year(2029), one), override("moved", year(2028), one),
	}
	before.Overrides = []policy.Override{override("old", year(2029), one), override("moved", year(2027), one), override("now", time.Time{}, one)}
	const (
		now   = "overrides.now.until: 2030-01-01T00:00:00Z has passed; give a later time, or take the override out"
		old   = "overrides.old.until: 2029-01-01T00:00:00Z has passed; give a later time, or take the override out"
		moved = "overrides.moved.until: 2028-01-01T00:00:00Z has passed; give a later time, or take the override out"
	)
	if err := p.Ended(year(2030), &before); err == nil || err.Error() != now+"\n"+moved {
		t.Errorf("Ended of a policy before which there was one: %v\nwant what that had not", err)
	}
	if err := p.Ended(year(2030), nil); err == nil || err.Error() != now+"\n"+old+"\n"+moved {
		t.Errorf("Ended of a new policy: %v\nwant all that have ended", err)
	}
	if err := p.Ended(year(2000), nil); err != nil {
		t.Errorf("Ended of a policy none of whose overrides has: %v, want nil", err)
	}
}

func TestParseUntil(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{
		"2030-01-01T00:00:00Z": year(2030), "2030-01-01T01:00:00+01:00": year(2030), "2030-01-01T00:00:00.5Z": year(2030).Add(time.Second / 2),
	} {
		if got, err := policy.ParseUntil(text); err != nil || got != want {
			t.Errorf("ParseUntil(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "2030-01-01", "2030-01-01 00:00:00Z", "2030-01-01T00:00:00", "tomorrow", "2030-02-30T00:00:00Z"} {
		want := fmt.Sprintf("until: %q is no instant; write date, time and zone, as in 2027-01-01T00:00:00Z or 2027-01-01T00:00:00+01:00", text)
		if got, err := policy.ParseUntil(text); err == nil || err.Error() != want {
			t.Errorf("ParseUntil(%q) = %v, %v, want error %s", text, got, err, want)
		}
	}
}

// snapshotOf returns the one policy of a snapshot.
func snapshotOf(tb testing.TB, p policy.Policy, now time.Time) (*policy.Snapshot, *policy.Policy) {
	tb.Helper()
	s, err := policy.NewSnapshot([]policy.Policy{p}, now)
	if err != nil {
		tb.Fatal(err)
	}
	compiled, _ := s.Get(p.Name)
	return s, compiled
}

func TestFor(t *testing.T) {
	t.Parallel()
	p := legal("api")
	p.Penalty, p.ResetAt = &sluice.Penalty{After: 1, Within: time.Second, For: time.Second}, 77
	p.DenyCache, p.Lease = true, &sluice.Lease{Share: 10, TTL: time.Second}
	p.Overrides = []policy.Override{
		override("tenant-42", time.Time{}, sluice.PerDay(1)),
		override("tenant-*", time.Time{}, sluice.PerDay(2)),
		override("tenant-4*", year(2030), sluice.PerDay(3)),
		override("tenant-42x", year(2029), sluice.PerDay(4)),
		override("t*", year(2031), sluice.PerDay(5)),
	}
	if got := p.For("tenant-42"); got != &p.Policy {
		t.Errorf("For of a policy without a snapshot = %+v, want its own", got)
	}
	for _, test := range []struct {
		now  time.Time
		want map[string]int64 // the count per day, by the key
		next time.Time
	}{
		{
			year(2028),
			map[string]int64{"tenant-42": 1, "tenant-42x": 4, "tenant-42xy": 3, "tenant-4": 3, "tenant-5": 2, "tenant-": 2, "tenant": 5, "t": 5, "": 1000, "x": 1000, "Tenant-42": 1000},
			year(2029),
		},
		{year(2029), map[string]int64{"tenant-42": 1, "tenant-42x": 3, "tenant-4": 3}, year(2030)},
		{year(2030).Add(-1), map[string]int64{"tenant-42x": 3}, year(2030)},
		{year(2030), map[string]int64{"tenant-42": 1, "tenant-42x": 2, "tenant-4": 2}, year(2031)},
		{year(2031), map[string]int64{"tenant-42": 1, "tenant-9": 2, "t": 1000}, time.Time{}},
	} {
		s, compiled := snapshotOf(t, p, test.now)
		if got := s.NextEnd(); !got.Equal(test.next) {
			t.Errorf("NextEnd in %s = %s, want %s", test.now, got, test.next)
		}
		for key, want := range test.want {
			got := compiled.For(key)
			if l := got.Limits[len(got.Limits)-1]; l != sluice.PerDay(want) {
				t.Errorf("For(%q) in %s has %s, want %d/day", key, test.now, l, want)
			}
			if got.Name != "api" || got.ResetAt != 77 || *got.Penalty != *p.Penalty || !got.DenyCache || *got.Lease != *p.Lease {
				t.Errorf("For(%q) = %+v, want everything but the limits as the policy has it", key, got)
			}
		}
	}
	_, plain := snapshotOf(t, legal("api"), year(2030))
	if got := plain.For("tenant-42"); got != &plain.Policy {
		t.Errorf("For of a policy without overrides = %+v, want its own", got)
	}
}

func TestForAllocatesNothing(t *testing.T) { // not parallel: others allocate
	p := legal("api")
	p.Overrides = []policy.Override{override("tenant-*", time.Time{}, sluice.PerDay(2)), override("t*", time.Time{}, sluice.PerDay(5))}
	_, compiled := snapshotOf(t, p, year(2030))
	if n := testing.AllocsPerRun(100, func() { compiled.For("tenant-42"); compiled.For("x") }); n != 0 {
		t.Errorf("For allocates %v times, want not at all", n)
	}
}

// TestForIsTheLongest finds the override of a key by looking at each.
func TestForIsTheLongest(t *testing.T) {
	t.Parallel()
	text := rapid.StringOfN(rapid.RuneFrom([]rune("ab*")), 1, 4, -1)
	rapid.Check(t, func(t *rapid.T) {
		p := legal("api")
		for i, pattern := range rapid.SliceOfNDistinct(text, 0, 8, rapid.ID).Draw(t, "patterns") {
			p.Overrides = append(p.Overrides, override(pattern, time.Time{}, sluice.PerDay(int64(i)+1)))
		}
		s, err := policy.NewSnapshot([]policy.Policy{p}, year(2030))
		if err != nil {
			t.Fatal(err)
		}
		compiled, _ := s.Get("api")
		key := text.Draw(t, "key")
		want, longest := p.Limits, -1
		for _, o := range p.Overrides {
			prefix, isPrefix := strings.CutSuffix(o.Pattern, "*")
			length := len(prefix)
			switch {
			case !isPrefix && o.Pattern == key:
				length = 1000
			case !isPrefix || !strings.HasPrefix(key, prefix):
				continue
			}
			if length > longest {
				want, longest = o.Limits, length
			}
		}
		if diff := cmp.Diff(want, compiled.For(key).Limits, cmp.AllowUnexported(sluice.Limit{})); diff != "" {
			t.Errorf("For(%q) with %+v, -want +got:\n%s", key, p.Overrides, diff)
		}
	})
}

// TestSnapshotKeepsItsOverrides changes what a snapshot was made from.
func TestSnapshotKeepsItsOverrides(t *testing.T) {
	t.Parallel()
	p := legal("api")
	p.Penalty = &sluice.Penalty{After: 1, Within: time.Second, For: time.Second}
	p.Overrides = []policy.Override{override("a", time.Time{}, sluice.PerDay(1))}
	want := p.Revision()
	_, compiled := snapshotOf(t, p, year(2030))
	p.Penalty.After, p.Overrides[0].Limits[0] = 2, sluice.PerDay(2)
	p.Overrides[0].Pattern = "b"
	if got := compiled.Revision(); got != want || compiled.For("a").Limits[0] != sluice.PerDay(1) || compiled.For("a").Penalty.After != 1 {
		t.Errorf("the policy of the snapshot is %+v, want what was given, whatever becomes of it afterwards", compiled)
	}
}

func BenchmarkFor(b *testing.B) {
	p := legal("api")
	_, plain := snapshotOf(b, p, year(2030))
	for i := range policy.MaxOverrides {
		p.Overrides = append(p.Overrides, override(fmt.Sprintf("tenant-%d-*", i), time.Time{}, sluice.PerDay(1)))
	}
	_, full := snapshotOf(b, p, year(2030))
	for name, p := range map[string]*policy.Policy{"none": plain, "10000 prefixes": full} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.For("tenant-4711-user-42")
			}
		})
	}
}
