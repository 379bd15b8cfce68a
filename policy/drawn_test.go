package policy_test

import (
	"cmp"
	"slices"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
)

// override returns an override for a pattern.
func override(pattern string, until time.Time, limits ...sluice.Limit) policy.Override {
	return policy.Override{Pattern: pattern, Limits: limits, Until: until}
}

// year returns the instant at which a year begins.
func year(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }

// drawPolicy draws a legal policy of a few values, so that two are often alike in part. Its name is one of so
// many.
func drawPolicy(t *rapid.T, names int) policy.Policy {
	limits := func(label string) (all []sluice.Limit) {
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 1, 3, rapid.ID).Draw(t, label) {
			count := rapid.Int64Range(1, 3).Draw(t, "count")
			if count == 3 {
				all = append(all, sluice.PerCalendar(10, sluice.Calendar{Unit: sluice.Month, Zone: "Europe/Berlin", From: 15}).WithName(name))
				continue
			}
			l := sluice.PerDay(count).WithName(name)
			all = append(all, l.WithAlgorithm(rapid.SampledFrom([]sluice.Algorithm{sluice.SlidingWindow, sluice.TokenBucket}).Draw(t, "algorithm")))
		}
		return all
	}
	p := policy.Policy{
		Policy: sluice.Policy{
			Name:   rapid.SampledFrom([]string{"p", "q", "r", "s"}[:names]).Draw(t, "name"),
			Limits: limits("limits"),
		},
		Key: rapid.SliceOfNDistinct(rapid.SampledFrom([]policy.KeyPart{
			{Kind: policy.IP}, {Kind: policy.Header, Name: "a&b"}, {Kind: policy.Cookie, Name: "a"},
		}), 0, 2, rapid.ID).Draw(t, "key"),
		Missing: rapid.SampledFrom([]policy.Missing{policy.MissingRefuse, policy.MissingAllow}).Draw(t, "missing"),
		OnError: rapid.SampledFrom([]sluice.ErrorPolicy{sluice.Allow, sluice.Deny, sluice.Local}).Draw(t, "on_error"),
		Shadow:  rapid.Bool().Draw(t, "shadow"),
	}
	p.DenyCache = rapid.Bool().Draw(t, "deny_cache")
	if rapid.Bool().Draw(t, "lease") {
		p.Lease = &sluice.Lease{
			Share: rapid.IntRange(9, 10).Draw(t, "share"),
			TTL:   rapid.SampledFrom([]time.Duration{time.Second, 1500 * time.Millisecond}).Draw(t, "ttl"),
		}
	}
	if rapid.Bool().Draw(t, "block") {
		p.Penalty = &sluice.Penalty{
			After: rapid.Int64Range(1, 2).Draw(t, "after"), Within: 90 * time.Second, For: 1500 * time.Millisecond,
			Max: rapid.SampledFrom([]time.Duration{0, 24 * time.Hour}).Draw(t, "max"),
		}
	}
	patterns := rapid.SampledFrom([]string{"a", "a*", "*", "é\n\"<", "tenant-42"})
	for _, pattern := range rapid.SliceOfNDistinct(patterns, 0, 3, rapid.ID).Draw(t, "patterns") {
		until := rapid.SampledFrom([]time.Time{{}, year(2030), year(2031).Add(1500 * time.Millisecond)}).Draw(t, "until")
		p.Overrides = append(p.Overrides, override(pattern, until, limits("override's limits")...))
	}
	return p
}

// drawPolicies draws some policies with different names.
func drawPolicies(t *rapid.T, label string) []policy.Policy {
	all := []policy.Policy{}
	for range rapid.IntRange(0, 4).Draw(t, label) {
		p := drawPolicy(t, 4)
		if !slices.ContainsFunc(all, func(q policy.Policy) bool { return p.Name == q.Name }) {
			all = append(all, p)
		}
	}
	return all
}

// samePolicies returns in what two values with policies differ: not in the order of overrides, nor where nothing is
// meant by none or by an empty list.
func samePolicies(want, got any) string {
	return gocmp.Diff(want, got,
		gocmp.AllowUnexported(sluice.Limit{}), cmpopts.IgnoreUnexported(policy.Policy{}), cmpopts.EquateEmpty(),
		cmpopts.SortSlices(func(a, b policy.Override) bool { return cmp.Less(a.Pattern, b.Pattern) }),
		cmpopts.SortSlices(func(a, b policy.Policy) bool { return cmp.Less(a.Name, b.Name) }),
	)
}
