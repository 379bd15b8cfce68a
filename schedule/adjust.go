package schedule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
)

// Adjusted is what an [Adjust] did: the limit before and after. They are equal where it did nothing.
type Adjusted struct {
	Old, New sluice.Limit
}

// Apply returns the policy with the count of the limit moved, and what was done. The policy that it was given stays as
// it is.
//
// The count ends within Min and Max, and is never moved against By: where it is at that bound already, or beyond it, it
// stays, which is no error. A policy without the limit is a [*sluice.InvalidError].
func (a *Adjust) Apply(p sluice.Policy) (sluice.Policy, Adjusted, error) {
	i, err := a.find(p)
	if err != nil {
		return p, Adjusted{}, err
	}
	old := p.Limits[i]
	least, greatest := a.bounds()
	count := min(max(old.Count()+a.By, least), greatest)
	if up := a.By > 0; count == old.Count() || count > old.Count() != up {
		return p, Adjusted{old, old}, nil
	}
	moved, err := withCount(old, count)
	if err != nil {
		return p, Adjusted{}, err
	}
	p.Limits = slices.Clone(p.Limits)
	p.Limits[i] = moved
	return p, Adjusted{old, moved}, nil
}

// find returns which of the limits of a policy is adjusted.
func (a *Adjust) find(p sluice.Policy) (int, error) {
	names := make([]string, len(p.Limits))
	for i, l := range p.Limits {
		if names[i] = l.Name(); names[i] == a.Limit {
			return i, nil
		}
	}
	return 0, &sluice.InvalidError{
		Field:   "adjust.limit",
		Problem: fmt.Sprintf("the policy %s has no limit %.64q; %s", p.Name, a.Limit, policy.Suggest(a.Limit, names)),
	}
}

// bounds returns the least and the greatest count, defaults filled in.
func (a *Adjust) bounds() (least, greatest int64) {
	least, greatest = a.Min, a.Max
	if least == 0 {
		least = 1
	}
	if greatest == 0 {
		greatest = sluice.MaxCount
	}
	return least, greatest
}

func (a *Adjust) faults() []*sluice.InvalidError {
	faults := policyFaults("adjust.", a.Policy)
	fault := func(field, format string, args ...any) {
		faults = append(faults, &sluice.InvalidError{Field: "adjust." + field, Problem: fmt.Sprintf(format, args...)})
	}
	if a.Limit == "" {
		fault("limit", "it is missing; give the name of a limit of the policy")
	} else if problem := nameProblem(a.Limit); problem != "" {
		fault("limit", "%s", problem)
	}
	switch {
	case a.By == 0:
		fault("by", "it is 0, which moves nothing; give how far the count goes up, or down where it is negative")
	case a.By < -sluice.MaxCount || a.By > sluice.MaxCount:
		fault("by", "it is %d; it must be -%d to %[2]d", a.By, int64(sluice.MaxCount))
	}
	count := func(field string, n int64) (legal bool) {
		if n < 0 || n > sluice.MaxCount {
			fault(field, "it is %d; it must be 1 to %d, or left out", n, int64(sluice.MaxCount))
			return false
		}
		return true
	}
	legal := count("min", a.Min)
	if legal = count("max", a.Max) && legal; legal {
		if least, greatest := a.bounds(); least > greatest {
			fault("min", "it is %d, greater than max, which is %d; no count is within them", least, greatest)
		}
	}
	return faults
}

// withCount returns a limit with another count and all else as it is. It goes by the text of the limit, which has
// everything but the name.
func withCount(l sluice.Limit, count int64) (sluice.Limit, error) {
	_, rest, _ := strings.Cut(l.String(), "/")
	moved, err := sluice.ParseLimit(strconv.FormatInt(count, 10) + "/" + rest)
	if err != nil {
		return l, err
	}
	if moved.Name() != l.Name() {
		moved = moved.WithName(l.Name())
	}
	return moved, nil
}
