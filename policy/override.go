package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluice-project/sluice"
)

const (
	// MaxOverrides is the greatest number of overrides in one policy. It is for those that every server holds: a store
	// keeps overrides of single keys without number, see [sluice.Limiter.Override].
	MaxOverrides = 10_000
	// MaxPatternBytes is the length of the longest pattern of an override.
	MaxPatternBytes = sluice.MaxKeyBytes
	// lastYear is the last one to which an override may last that is not for good: stores reckon exactly up to there.
	lastYear = 2200
)

// Override is other limits for some keys of a policy, in the place of all that the policy has. One that has the name of
// a limit of the policy goes on with what that has counted.
type Override struct {
	// Pattern is a key, or the beginning of keys and "*" behind it: 1 to [MaxPatternBytes] of UTF-8. "*" alone is every
	// key. A key that itself ends in "*" has no pattern of its own.
	Pattern string
	// Limits are 1 to [sluice.MaxLimits] limits with different names.
	Limits []sluice.Limit
	// Until is the instant from which the limits do not hold any more, at most in the year 2200; zero is for good.
	Until time.Time
}

// prefix returns what the keys of the pattern begin with; false where the pattern is one key.
func (o *Override) prefix() (string, bool) { return strings.CutSuffix(o.Pattern, "*") }

// ended reports whether the override holds no longer at an instant.
func (o *Override) ended(now time.Time) bool { return !o.Until.IsZero() && !now.Before(o.Until) }

// overrideFaults returns everything that is wrong with overrides, by paths within their policy.
func overrideFaults(overrides []Override) (faults []*sluice.InvalidError) {
	fault := func(field, format string, args ...any) {
		faults = append(faults, &sluice.InvalidError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if len(overrides) > MaxOverrides {
		fault("overrides", "there are %d; there can be at most %d here: set those of single keys one by one, which the store keeps without number",
			len(overrides), MaxOverrides)
		return faults
	}
	seen := make(map[string]bool, len(overrides))
	for _, o := range overrides {
		path := JoinPath("overrides", o.Pattern)
		switch {
		case o.Pattern == "":
			fault(path, `the pattern is empty; it must be a key, or the beginning of keys and "*"`)
		case len(o.Pattern) > MaxPatternBytes:
			fault(path, "the pattern has %d bytes; it can have at most %d", len(o.Pattern), MaxPatternBytes)
		case !utf8.ValidString(o.Pattern):
			fault(path, "the pattern is no UTF-8; set the override of such a key by itself, which the store keeps")
		case seen[o.Pattern]:
			fault(path, "there are two overrides of this pattern; take one of them out")
		}
		seen[o.Pattern] = true
		for _, f := range limitFaults(o.Limits) {
			fault(path+"."+f.Field, "%s", f.Problem)
		}
		if !o.Until.IsZero() && (o.Until.Unix() < 0 || o.Until.UTC().Year() > lastYear) {
			fault(path+".until", "it is not from 1970 to %d; leave it out where the override is for good", lastYear)
		}
	}
	return faults
}

// limitFaults returns everything that is wrong with limits, as [sluice.Policy.Validate] says it.
func limitFaults(limits []sluice.Limit) []*sluice.InvalidError {
	return invalidErrors(sluice.Policy{Name: "any", Limits: limits}.Validate())
}

// Ended reports the overrides that have ended by now, each as a [*sluice.InvalidError], joined by [errors.Join]; or nil.
// It is for a policy that is new: one that has been there for a while may well have such, and they mean nothing. What
// the policy before it, which may be nil, has just so is not reported.
func (p *Policy) Ended(now time.Time, before *Policy) error {
	had := make(map[string]time.Time)
	if before != nil {
		for _, o := range before.Overrides {
			had[o.Pattern] = o.Until
		}
	}
	var faults []*sluice.InvalidError
	for _, o := range p.Overrides {
		if o.ended(now) && !had[o.Pattern].Equal(o.Until) {
			faults = append(faults, &sluice.InvalidError{
				Field:   JoinPath("overrides", o.Pattern) + ".until",
				Problem: fmt.Sprintf("%s has passed; give a later time, or take the override out", untilText(o.Until)),
			})
		}
	}
	return joinFaults("", faults)
}

// ParseUntil reads the instant at which an override ends, in the form of RFC 3339. The error is a
// [*sluice.InvalidError].
func ParseUntil(text string) (time.Time, error) {
	var until time.Time
	if err := until.UnmarshalText([]byte(text)); err != nil {
		return until, &sluice.InvalidError{
			Field:   "until",
			Problem: fmt.Sprintf("%.64q is no instant; write date, time and zone, as in 2027-01-01T00:00:00Z or 2027-01-01T00:00:00+01:00", text),
		}
	}
	return until.UTC(), nil
}

func untilText(until time.Time) string { return until.UTC().Format(time.RFC3339Nano) }

// sortedOverrides returns overrides by their patterns, which is the order of documents: their own means nothing.
func sortedOverrides(overrides []Override) []Override {
	return slices.SortedFunc(slices.Values(overrides), func(a, b Override) int { return cmp.Compare(a.Pattern, b.Pattern) })
}

// table finds the override of a key.
type table struct {
	exact    map[string]*sluice.Policy
	prefixes map[string]*sluice.Policy
	lengths  []int // of the prefixes, each once, the longest first
}

// newTable returns the table of those overrides of a policy that have not ended by now; nil where there is none.
func newTable(p *Policy, now time.Time) *table {
	t := table{exact: make(map[string]*sluice.Policy), prefixes: make(map[string]*sluice.Policy)}
	lengths := make(map[int]bool)
	for _, o := range p.Overrides {
		if o.ended(now) {
			continue
		}
		instead := p.Policy
		instead.Limits = o.Limits
		if prefix, ok := o.prefix(); ok {
			t.prefixes[prefix] = &instead
			lengths[len(prefix)] = true
		} else {
			t.exact[o.Pattern] = &instead
		}
	}
	if len(t.exact)+len(t.prefixes) == 0 {
		return nil
	}
	t.lengths = slices.Sorted(maps.Keys(lengths))
	slices.Reverse(t.lengths)
	return &t
}

// For returns the policy by which a key is decided: that of the override for this key, else of the one with the longest
// matching prefix, else the policy's own. Of a policy that is not part of a [Snapshot] it is always the policy's own. It
// allocates nothing, and takes a step for each length that prefixes have. The caller must not change what it returns.
func (p *Policy) For(key string) *sluice.Policy {
	if p.table == nil {
		return &p.Policy
	}
	if instead := p.table.exact[key]; instead != nil {
		return instead
	}
	for _, n := range p.table.lengths {
		if n > len(key) {
			continue
		}
		if instead := p.table.prefixes[key[:n]]; instead != nil {
			return instead
		}
	}
	return &p.Policy
}
