package policy

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/sluice-project/sluice"
)

// Snapshot is all policies of a process at one time. It never changes, so it is safe for concurrent use; what is
// configured anew is a new one. The zero Snapshot has no policies.
type Snapshot struct {
	policies map[string]*Policy
	names    []string // sorted
	nextEnd  time.Time
}

// NewSnapshot returns a snapshot of policies with different names, in which overrides that have ended by now do not
// count. It keeps nothing that the caller can change. The error joins everything that is wrong with any of them, each as
// a [*sluice.InvalidError] whose field is a path such as "policies.api.limits[3]".
func NewSnapshot(policies []Policy, now time.Time) (*Snapshot, error) {
	s := &Snapshot{policies: make(map[string]*Policy, len(policies))}
	var errs []error
	for _, p := range policies {
		path := "policies." + p.Name
		faults := p.Faults()
		if slices.ContainsFunc(faults, func(f *sluice.InvalidError) bool { return f.Field == "name" }) {
			path = fmt.Sprintf("policies.%.64q", p.Name)
		}
		if _, twice := s.policies[p.Name]; twice {
			errs = append(errs, &sluice.InvalidError{Field: path, Problem: "there are two policies of this name; give one of them another"})
		}
		errs = append(errs, joinFaults(path+".", faults))
		p = p.clone()
		p.table = newTable(&p, now)
		for _, o := range p.Overrides {
			if !o.Until.IsZero() && !o.ended(now) && (s.nextEnd.IsZero() || o.Until.Before(s.nextEnd)) {
				s.nextEnd = o.Until
			}
		}
		s.policies[p.Name] = &p
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	s.names = slices.Sorted(maps.Keys(s.policies))
	return s, nil
}

// clone returns a copy that shares nothing with the policy.
func (p Policy) clone() Policy {
	p.Limits, p.Key, p.Overrides = slices.Clone(p.Limits), slices.Clone(p.Key), slices.Clone(p.Overrides)
	for i := range p.Overrides {
		p.Overrides[i].Limits = slices.Clone(p.Overrides[i].Limits)
	}
	if p.Penalty != nil {
		penalty := *p.Penalty
		p.Penalty = &penalty
	}
	if p.Lease != nil {
		lease := *p.Lease
		p.Lease = &lease
	}
	return p
}

// NextEnd returns the instant at which the next override ends, from which on another snapshot is needed; zero where none
// does.
func (s *Snapshot) NextEnd() time.Time { return s.nextEnd }

// Get returns the policy of that name. The caller must not change it.
func (s *Snapshot) Get(name string) (*Policy, bool) {
	p, ok := s.policies[name]
	return p, ok
}

// All returns the policies by name, in order. The caller must not change them.
func (s *Snapshot) All() iter.Seq[*Policy] {
	return func(yield func(*Policy) bool) {
		for _, name := range s.names {
			if !yield(s.policies[name]) {
				return
			}
		}
	}
}
