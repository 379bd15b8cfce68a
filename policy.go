package sluice

import (
	"fmt"
	"slices"
	"strings"
)

// MaxLimits is the greatest number of limits in one policy.
const MaxLimits = 8

// Policy is a named list of limits that must all allow: a check is charged to all of them or to none.
type Policy struct {
	// Name is a letter or digit, then up to 62 of a-z, 0-9, '.', '_' and '-'. Two limiters on one store share the
	// counters of a policy by sharing its name.
	Name string
	// Limits are 1 to [MaxLimits] limits with different names.
	Limits []Limit
	// Penalty bars a key that is refused too often; nil bars nobody.
	Penalty *Penalty
	// DenyCache lets a server that remembers a refusal answer from memory; see package store/denycache. The default is false.
	DenyCache bool
	// Lease lets a server take units ahead; see package store/lease. The default is nil, for every check its own decision.
	Lease *Lease
	// ResetAt is when the counters of all keys were forgotten at once, by the store's clock: what was counted under an
	// earlier ResetAt means nothing. 0 is never. Blocks, penalties and overrides are not concerned.
	ResetAt Tick
}

// inlinePrefix marks the names of policies made by [InlinePolicy]; no other policy can have such a name.
const inlinePrefix = "~"

// InlinePolicy returns a policy for limits that a caller brings along, in a namespace of its own: its counters are
// kept apart from those of every named policy. The namespace is spelled like a policy's name.
func InlinePolicy(namespace string, limits ...Limit) Policy {
	return Policy{Name: inlinePrefix + namespace, Limits: limits}
}

// Inline reports whether the policy was made by [InlinePolicy].
func (p Policy) Inline() bool { return strings.HasPrefix(p.Name, inlinePrefix) }

// Validate reports everything that is wrong with the policy, each fault as an [*InvalidError] whose Field is a path
// such as "limits[1]", joined by [errors.Join]; or nil.
func (p Policy) Validate() error {
	var faults []error
	fault := func(field, format string, args ...any) {
		faults = append(faults, &InvalidError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if name, inline := strings.CutPrefix(p.Name, inlinePrefix); !validName(name) {
		field := "name"
		if inline {
			field = "namespace"
		}
		fault(field, "%s must be a letter or digit of a-z and 0-9, followed by up to 62 of a-z, 0-9, '.', '_' and '-'", quoteShort(name))
	}
	if err := validateLimits(p.Limits); err != nil {
		faults = append(faults, err)
	}
	within := func(field string, err error) {
		if err == nil {
			return
		}
		for _, f := range err.(interface{ Unwrap() []error }).Unwrap() {
			f := f.(*InvalidError)
			fault(field+"."+f.Field, "%s", f.Problem)
		}
	}
	if p.Penalty != nil {
		within("penalty", p.Penalty.Validate())
	}
	if p.Lease != nil {
		within("lease", p.Lease.Validate())
	}
	if p.ResetAt < 0 {
		fault("reset_at", "it is %d, before 1970; it must be an instant of the store's clock, or 0", p.ResetAt)
	}
	return joinFaults(faults)
}

// validateLimits reports everything that is wrong with the limits of a policy or an override.
func validateLimits(limits []Limit) error {
	var faults []error
	fault := func(field, format string, args ...any) {
		faults = append(faults, &InvalidError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if len(limits) == 0 {
		fault("limits", `there is none; give at least one, such as "100/minute"`)
	}
	if len(limits) > MaxLimits {
		fault("limits", "there are %d; at most %d can be charged together", len(limits), MaxLimits)
	}
	for i, l := range limits {
		field := fmt.Sprintf("limits[%d]", i)
		if err := l.Validate(); err != nil {
			fault(field, "%s", err.(*InvalidError).Problem)
			continue
		}
		same := slices.IndexFunc(limits[:i], func(m Limit) bool { return m.Name() == l.Name() })
		if same >= 0 {
			fault(field, "its name %q is also that of limits[%d]; a name must be unique in its policy: give one of them another", l.Name(), same)
		}
	}
	return joinFaults(faults)
}
