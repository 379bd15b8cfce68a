package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/store/ledger"
)

// Revision is the version of a policy or a schedule: each change makes another. 0 is none.
type Revision int64

// String returns the revision in digits.
func (r Revision) String() string { return strconv.FormatInt(int64(r), 10) }

// AnyRevision stands for whichever revision there is, or none.
const AnyRevision Revision = -1

// RevisionError says that a change was meant for another revision than there is. Nothing was changed.
type RevisionError struct {
	// What is "policy" or "schedule", Name which.
	What, Name string
	// Current is the revision that there is; 0 where there is none.
	Current Revision
}

func (e *RevisionError) Error() string {
	if e.Current == 0 {
		return fmt.Sprintf("there is no %s %.64q by now", e.What, e.Name)
	}
	return fmt.Sprintf("the %s %.64q is at revision %s by now: read it, and change that", e.What, e.Name, e.Current)
}

// UnknownError says that there is no policy or schedule of a name.
type UnknownError struct{ What, Name string }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("there is no %s named %.64q", e.What, e.Name)
}

// LivePolicy is a policy with its revision.
type LivePolicy struct {
	policy.Policy
	Revision Revision
}

// Policies returns the live policies by name, as this server sees them.
func (c *Control) Policies() []LivePolicy {
	v := c.view.Load()
	all := make([]LivePolicy, 0, len(v.policies))
	for _, name := range slices.Sorted(maps.Keys(v.policies)) {
		all = append(all, v.policies[name].live())
	}
	return all
}

// Policy returns a live policy, as this server sees it.
func (c *Control) Policy(name string) (LivePolicy, error) {
	held, ok := c.view.Load().policies[name]
	if !ok {
		return LivePolicy{}, &UnknownError{"policy", name}
	}
	return held.live(), nil
}

func (h heldPolicy) live() LivePolicy { return LivePolicy{h.Policy, Revision(h.revision)} }

// PutPolicy makes a policy what is given, where it is at the revision that is meant: [AnyRevision] is every one, 0 one
// that is not there yet. When it was reset is not changed. It returns what is live then. The errors are
// [*RevisionError], [*sluice.InvalidError] joined where there are several, and those of the ledger.
func (c *Control) PutPolicy(ctx context.Context, who string, p policy.Policy, meant Revision) (LivePolicy, error) {
	if err := p.Validate(); err != nil {
		return LivePolicy{}, err
	}
	receipt, err := c.change(ctx, func(v *view) (ledger.Change, error) {
		held, there := v.policies[p.Name]
		if err := meant.check("policy", p.Name, held.revision); err != nil {
			return ledger.Change{}, err
		}
		if err := p.Ended(time.UnixMicro(int64(v.now)), &held.Policy); err != nil {
			return ledger.Change{}, err
		}
		entry := Audit{Who: who, What: "put", Policy: p.Name, To: string(p.Document())}
		if p.ResetAt = held.ResetAt; there {
			entry.From = string(held.Document())
		}
		return ledger.Change{
			Expect: []ledger.Expectation{v.expectPolicy(p.Name)},
			Put:    []ledger.Entry{policyEntry(&p)},
			Append: []ledger.Append{c.auditLine(entry)},
		}, nil
	})
	return LivePolicy{p, Revision(receipt.Version)}, err
}

// DeletePolicy takes a policy away. What keys have used of it stays until it expires. A schedule that is about the policy
// is an error of the kind [*sluice.InvalidError]; the others are those of [Control.PutPolicy] and [*UnknownError].
func (c *Control) DeletePolicy(ctx context.Context, who, name string, meant Revision) error {
	_, err := c.change(ctx, func(v *view) (ledger.Change, error) {
		held, there := v.policies[name]
		if !there {
			return ledger.Change{}, &UnknownError{"policy", name}
		}
		if err := meant.check("policy", name, held.revision); err != nil {
			return ledger.Change{}, err
		}
		for _, s := range v.schedules {
			if s.Job.Policy() == name {
				return ledger.Change{}, &sluice.InvalidError{Field: "policy", Problem: fmt.Sprintf("the schedule %s is about it; delete that first", s.Name)}
			}
		}
		return ledger.Change{
			Expect: []ledger.Expectation{v.expectPolicy(name)},
			Delete: []ledger.Entry{{Kind: policyKind, Name: name}},
			Append: []ledger.Append{c.auditLine(Audit{Who: who, What: "delete", Policy: name, From: string(held.Document())})},
		}, nil
	})
	return err
}

// ResetPolicy forgets the counters of all keys of a policy, at a cost that does not grow with their number: what was
// counted before means nothing any more, and expires by itself. Blocks, penalties and overrides stay. The errors are
// [*UnknownError] and those of the ledger.
func (c *Control) ResetPolicy(ctx context.Context, who, name string) error {
	_, err := c.change(ctx, func(v *view) (ledger.Change, error) {
		held, there := v.policies[name]
		if !there {
			return ledger.Change{}, &UnknownError{"policy", name}
		}
		change := c.reset(v, held)
		change.Append = []ledger.Append{c.auditLine(Audit{Who: who, What: "reset", Policy: name})}
		return change, nil
	})
	return err
}

// reset is the change that forgets a policy's counters.
func (c *Control) reset(v *view, held heldPolicy) ledger.Change {
	p := held.Policy
	now, _ := c.clock.time()
	p.ResetAt = max(p.ResetAt+1, now)
	return ledger.Change{Expect: []ledger.Expectation{v.expectPolicy(p.Name)}, Put: []ledger.Entry{policyEntry(&p)}}
}

// change carries out a change that is made from the view, and makes it anew where somebody else was faster.
func (c *Control) change(ctx context.Context, make func(*view) (ledger.Change, error)) (ledger.Receipt, error) {
	if err := c.lookWithin(ctx); err != nil {
		return ledger.Receipt{}, err
	}
	for attempt := 1; ; attempt++ {
		v := c.view.Load()
		if v.alone {
			v = emptyView()
		}
		change, err := make(v)
		if err != nil || len(change.Put)+len(change.Delete)+len(change.Append) == 0 {
			return ledger.Receipt{}, err
		}
		if v.version == 0 {
			change.Restore = knowsNothing
		}
		receipt, err := c.commit(ctx, v.anchored(change))
		if conflict := (*ledger.ConflictError)(nil); !errors.As(err, &conflict) || attempt == attempts {
			return receipt, err
		}
		if err := c.lookWithin(ctx); err != nil {
			return receipt, err
		}
	}
}

// check reports whether the revision is the one that there is.
func (r Revision) check(what, name string, there ledger.Version) error {
	if r != AnyRevision && r != Revision(there) {
		return &RevisionError{What: what, Name: name, Current: Revision(there)}
	}
	return nil
}
