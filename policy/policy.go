// Package policy holds who is limited by what: the policies as they are configured, and the immutable snapshot of them
// that a process decides by; their documents as JSON, and how what a file has changed and what was changed live are
// brought together.
//
// It reads no file, asks no store and decides no check: package filesource reads the configuration file into policies,
// package engine asks the store by them. It imports the core package and the standard library only.
package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-project/sluice"
)

// Policy is one policy as it is configured: the limits of the core package, and what the doors and the engine do about
// them. It is not changed once it is part of a [Snapshot].
type Policy struct {
	// Policy is the name, the limits, the penalty, whether refusals may be remembered and units lent, and when all counters
	// were forgotten. The last is no part of what is configured: neither the document nor the revision has it.
	sluice.Policy
	// Key says what of a request tells who is limited, in order: 0 to [MaxKeyParts] different parts. It is for calls
	// that bring no key of their own; without parts the policy has no such calls.
	Key []KeyPart
	// Missing says what becomes of a request that lacks a part of Key. The default is [MissingRefuse].
	Missing Missing
	// OnError says what a check is answered when the store cannot decide it. The default is [sluice.Allow].
	OnError sluice.ErrorPolicy
	// Shadow lets everybody through whom the limits refuse; they are charged and counted as ever.
	Shadow bool
	// Overrides are other limits for some keys: at most [MaxOverrides] with different patterns. Their order means nothing.
	Overrides []Override

	table *table // of a policy of a snapshot that has overrides
}

// Missing says what becomes of a request that lacks a part of its policy's key. The zero value is [MissingRefuse].
type Missing uint8

const (
	// MissingRefuse refuses it: nobody leaves his limit by leaving out what tells who he is.
	MissingRefuse Missing = iota
	// MissingAllow lets it through without a check.
	MissingAllow
)

// String returns "refuse" or "allow".
func (m Missing) String() string {
	switch m {
	case MissingRefuse:
		return "refuse"
	case MissingAllow:
		return "allow"
	}
	return fmt.Sprintf("Missing(%d)", uint8(m))
}

// Validate reports everything that is wrong with the policy: the faults of [Policy.Faults], joined by [errors.Join]; or
// nil.
func (p *Policy) Validate() error {
	return joinFaults("", p.Faults())
}

// Faults returns everything that is wrong with the policy. The field of each is a path within the policy, such as
// "name", "limits[1]", "key[0]", "block.after", "lease.ttl" or "overrides.trial-*.limits[0]".
func (p *Policy) Faults() []*sluice.InvalidError {
	faults := invalidErrors(p.Policy.Validate())
	for _, f := range faults {
		if field, ok := strings.CutPrefix(f.Field, "penalty."); ok {
			f.Field = "block." + field
		}
	}
	fault := func(field, format string, args ...any) {
		faults = append(faults, &sluice.InvalidError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if p.Inline() {
		fault("name", `%.64q begins with "~", which marks limits that a caller brings along; leave it out`, p.Name)
	}
	if len(p.Key) > MaxKeyParts {
		fault("key", "there are %d parts; there can be at most %d", len(p.Key), MaxKeyParts)
	}
	for i, part := range p.Key {
		field := fmt.Sprintf("key[%d]", i)
		if problem := part.problem(); problem != "" {
			fault(field, "%s", problem)
			continue
		}
		if slices.ContainsFunc(p.Key[:i], part.same) {
			fault(field, "%s is there twice; once is enough", part)
		}
	}
	if p.Missing > MissingAllow {
		fault("missing", "it is %s; it must be refuse or allow", p.Missing)
	}
	if p.OnError > sluice.Local {
		fault("on_error", "it is %s; it must be allow, deny or local", p.OnError)
	}
	return append(faults, overrideFaults(p.Overrides)...)
}

// Revision returns a text that is the same for equal policies, today and in later versions, and different for different
// ones: 32 hexadecimal digits. When all counters were forgotten makes no difference.
func (p *Policy) Revision() string {
	// Only what differs from its default is written, so that a setting of a later version leaves the revisions of
	// policies that do not use it as they are. No name, limit or key part contains a line break; a pattern is quoted.
	var b strings.Builder
	fmt.Fprintf(&b, "name %s\n", p.Name)
	for _, l := range p.Limits {
		fmt.Fprintf(&b, "limit %s %s\n", l.Name(), l)
	}
	for _, k := range p.Key {
		fmt.Fprintf(&b, "key %s\n", k)
	}
	if p.Missing != MissingRefuse {
		fmt.Fprintf(&b, "missing %s\n", p.Missing)
	}
	if p.OnError != sluice.Allow {
		fmt.Fprintf(&b, "on_error %s\n", p.OnError)
	}
	if p.Shadow {
		b.WriteString("shadow true\n")
	}
	if n := p.Penalty; n != nil {
		fmt.Fprintf(&b, "block %d %d %d %d\n", n.After, n.Within, n.For, n.Max)
	}
	if p.DenyCache {
		b.WriteString("deny_cache true\n")
	}
	if l := p.Lease; l != nil {
		fmt.Fprintf(&b, "lease %d %d\n", l.Share, l.TTL)
	}
	for _, o := range sortedOverrides(p.Overrides) {
		fmt.Fprintf(&b, "override %q", o.Pattern)
		if !o.Until.IsZero() {
			fmt.Fprintf(&b, " until %s", untilText(o.Until))
		}
		b.WriteByte('\n')
		for _, l := range o.Limits {
			fmt.Fprintf(&b, "override limit %s %s\n", l.Name(), l)
		}
	}
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:16])
}

// invalidErrors takes apart what the core package's Validate joins.
func invalidErrors(err error) (faults []*sluice.InvalidError) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			faults = append(faults, invalidErrors(e)...)
		}
		return faults
	}
	if invalid := (*sluice.InvalidError)(nil); errors.As(err, &invalid) {
		faults = append(faults, invalid)
	}
	return faults
}

// joinFaults makes one error of faults, their fields behind the prefix; nil of none.
func joinFaults(prefix string, faults []*sluice.InvalidError) error {
	errs := make([]error, len(faults))
	for i, f := range faults {
		errs[i] = &sluice.InvalidError{Field: prefix + f.Field, Problem: f.Problem}
	}
	return errors.Join(errs...)
}
