package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/schedule"
	"github.com/sluice-project/sluice/store/ledger"
)

// File is what a configuration file says of policies and schedules. All of it is valid.
type File struct {
	Policies  []policy.Policy
	Schedules []schedule.Schedule
}

// baseName is the name of the base's entry.
const baseName = "file"

// earlierKept is how many files are remembered that were applied before the last one.
const earlierKept = 100

// baseValue is the file that was applied last, so that a later one is taken for what it changes.
type baseValue struct {
	Policies  map[string]json.RawMessage `json:"policies"`
	Schedules map[string]json.RawMessage `json:"schedules"`
	Digest    string                     `json:"digest"`
	Earlier   []string                   `json:"earlier"` // the digests of files before, the newest last
}

// value returns the file as the base keeps it.
func (f File) value() baseValue {
	b := baseValue{Policies: map[string]json.RawMessage{}, Schedules: map[string]json.RawMessage{}}
	for _, p := range f.Policies {
		b.Policies[p.Name] = p.Document()
	}
	for _, s := range f.Schedules {
		b.Schedules[s.Name] = s.Document()
	}
	text, err := json.Marshal(b)
	if err != nil {
		panic(err) // of documents that this process has just written
	}
	sum := sha256.Sum256(text)
	b.Digest = hex.EncodeToString(sum[:16])
	return b
}

// Impose makes live what the file says, whatever was changed otherwise: also what only the file of another day had. Live
// policies and schedules that the file does not have are deleted. The error is that of the ledger.
func (c *Control) Impose(ctx context.Context, who string, f File) error {
	if err := f.consistent(); err != nil {
		return err
	}
	return c.apply(ctx, f, func(c *Control, v *view, f File) (ledger.Change, error) {
		return c.replace(v, who, f, f.Policies, f.Schedules), nil
	})
}

// consistent reports the schedules that are about something that the file does not have.
func (f File) consistent() error {
	v := emptyView()
	for _, p := range f.Policies {
		v.policies[p.Name] = heldPolicy{Policy: p}
	}
	var errs []error
	for _, s := range f.Schedules {
		if invalid := (*sluice.InvalidError)(nil); errors.As(v.about(s.Job), &invalid) {
			errs = append(errs, &sluice.InvalidError{Field: policy.JoinPath("schedules", s.Name) + "." + invalid.Field, Problem: invalid.Problem})
		}
	}
	return errors.Join(errs...)
}

// Diff returns in what the live policies and schedules differ from a file: from is live, to is the file.
func (c *Control) Diff(f File) []policy.Difference {
	v := c.view.Load()
	all := policy.Diff(v.allPolicies(), f.Policies)
	return append(all, policy.DiffDocuments("schedules", scheduleLeaves(v.allSchedules()), scheduleLeaves(f.Schedules))...)
}

// outdated reports whether the file that this process started with was applied before another that holds now. So a
// restart undoes no live change, and while old and new files start side by side the old one does not take back what the
// new one brought.
func (c *Control) outdated(f File) bool {
	base, digest := c.view.Load().base, f.value().Digest
	if digest == base.Digest || !slices.Contains(base.Earlier, digest) {
		return false
	}
	c.config.Logger.Warn("the configuration file was applied once, before another that holds now; its policies and schedules are not applied again",
		"remedy", "sluice policies diff shows the differences, sluice policies apply makes the file hold")
	return true
}

// bringAgain has the last file of this process applied once more where a view knows nothing of it: it was written into
// a ledger that had lost everything, and another server has brought back what was there before.
func (c *Control) bringAgain(v *view) {
	f := c.brought.Load()
	if f == nil {
		return
	}
	if digest := f.value().Digest; digest != v.base.Digest && !slices.Contains(v.base.Earlier, digest) {
		c.waiting.CompareAndSwap(nil, &waiting{*f, true})
	}
}

// apply carries out the change that a file makes. Where there is nothing to change, nothing is written.
func (c *Control) apply(ctx context.Context, f File, change func(*Control, *view, File) (ledger.Change, error)) error {
	_, err := c.change(ctx, func(v *view) (ledger.Change, error) { return change(c, v, f) })
	return err
}

// mergeFile is the change that brings what the file has changed.
func (c *Control) mergeFile(v *view, f File) (ledger.Change, error) {
	if v.base.revision != 0 && v.base.Digest == f.value().Digest {
		return ledger.Change{}, nil
	}
	var (
		base      []policy.Policy
		schedules map[string][]policy.Leaf
	)
	if v.base.revision != 0 {
		base, schedules = []policy.Policy{}, map[string][]policy.Leaf{}
	}
	for name, document := range v.base.Policies {
		p, err := policy.ParseDocument(name, document)
		if err != nil {
			return ledger.Change{}, fmt.Errorf("the file that was applied last, policy %s: %w", name, err)
		}
		base = append(base, p)
	}
	for name, document := range v.base.Schedules {
		leaves, err := policy.SplitDocument(document)
		if err != nil {
			return ledger.Change{}, fmt.Errorf("the file that was applied last, schedule %s: %w", name, err)
		}
		schedules[name] = leaves
	}
	merged := policy.MergeDocuments(schedules, scheduleLeaves(f.Schedules), scheduleLeaves(v.allSchedules()),
		func(name string, leaves []policy.Leaf) bool {
			_, err := schedule.ParseDocument(name, policy.JoinDocument(leaves))
			return err == nil
		})
	var all []schedule.Schedule
	for name, leaves := range merged {
		s, err := schedule.ParseDocument(name, policy.JoinDocument(leaves))
		if err != nil {
			return ledger.Change{}, fmt.Errorf("schedule %s: %w", name, err)
		}
		all = append(all, s)
	}
	return c.replace(v, "file", f, policy.Merge(base, f.Policies, v.allPolicies()), all), nil
}

// replace is the change that makes policies and schedules all that is live, and the file the base.
func (c *Control) replace(v *view, who string, f File, policies []policy.Policy, schedules []schedule.Schedule) ledger.Change {
	base := f.value()
	base.Earlier = v.base.Earlier
	if v.base.revision != 0 && v.base.Digest != base.Digest {
		base.Earlier = append(slices.Clone(base.Earlier), v.base.Digest)
		base.Earlier = base.Earlier[max(0, len(base.Earlier)-earlierKept):]
	}
	encoded, err := json.Marshal(base)
	if err != nil {
		panic(err) // of documents that this process has read or written
	}
	change := ledger.Change{
		Expect: []ledger.Expectation{{Kind: baseKind, Name: baseName, Revision: v.base.revision}},
		Put:    []ledger.Entry{{Kind: baseKind, Name: baseName, Value: encoded}},
	}
	c.replacePolicies(&change, v, who, policies)
	c.replaceSchedules(&change, v, who, schedules)
	return change
}

func (c *Control) replacePolicies(change *ledger.Change, v *view, who string, policies []policy.Policy) {
	stays := make(map[string]bool, len(policies))
	for _, p := range policies {
		stays[p.Name] = true
		held, there := v.policies[p.Name]
		p.ResetAt = held.ResetAt
		line := Audit{Who: who, What: "put", Policy: p.Name, To: string(p.Document())}
		if there {
			line.From = string(held.Document())
		}
		if line.From == line.To {
			continue
		}
		change.Expect = append(change.Expect, v.expectPolicy(p.Name))
		change.Put = append(change.Put, policyEntry(&p))
		change.Append = append(change.Append, c.auditLine(line))
	}
	for _, name := range slices.Sorted(maps.Keys(v.policies)) {
		if held := v.policies[name]; !stays[name] {
			change.Expect = append(change.Expect, v.expectPolicy(name))
			change.Delete = append(change.Delete, ledger.Entry{Kind: policyKind, Name: name})
			change.Append = append(change.Append, c.auditLine(Audit{Who: who, What: "delete", Policy: name, From: string(held.Document())}))
		}
	}
}

func (c *Control) replaceSchedules(change *ledger.Change, v *view, who string, schedules []schedule.Schedule) {
	stays := make(map[string]bool, len(schedules))
	for _, s := range schedules {
		stays[s.Name] = true
		line := Audit{Who: who, What: "put", Schedule: s.Name, To: string(s.Document())}
		if held, there := v.schedules[s.Name]; there {
			line.From = string(held.Document())
		}
		if line.From == line.To {
			continue
		}
		put := c.putSchedule(v, s)
		change.Expect = append(change.Expect, put.Expect...)
		change.Put = append(change.Put, put.Put...)
		change.Append = append(change.Append, c.auditLine(line))
	}
	for _, name := range slices.Sorted(maps.Keys(v.schedules)) {
		if held := v.schedules[name]; !stays[name] {
			change.Expect = append(change.Expect, v.expectSchedule(name))
			change.Delete = append(change.Delete, ledger.Entry{Kind: scheduleKind, Name: name}, ledger.Entry{Kind: tickKind, Name: name})
			change.Append = append(change.Append, c.auditLine(Audit{Who: who, What: "delete", Schedule: name, From: string(held.Document())}))
		}
	}
}

// alone makes the file's policies those that this server decides by while the ledger cannot be reached; why it cannot is
// returned. Without a ledger there are no schedules.
func (c *Control) alone(f File, why error) error {
	v := emptyView()
	v.alone = true
	for _, p := range f.Policies {
		v.policies[p.Name] = heldPolicy{Policy: p}
	}
	c.looking <- struct{}{}
	defer func() { <-c.looking }()
	if c.view.Load().version != 0 {
		return why // what was read before is newer than the file
	}
	if err := c.install(v); err != nil {
		return errors.Join(why, err)
	}
	c.before.Store(0)
	return why
}

// allPolicies returns the live policies, in no order.
func (v *view) allPolicies() []policy.Policy {
	all := make([]policy.Policy, 0, len(v.policies))
	for _, held := range v.policies {
		all = append(all, held.Policy)
	}
	return all
}

func (v *view) allSchedules() []schedule.Schedule {
	all := make([]schedule.Schedule, 0, len(v.schedules))
	for _, held := range v.schedules {
		all = append(all, held.Schedule)
	}
	return all
}

// scheduleLeaves returns the documents of schedules in the form in which they are merged: each field is a leaf.
func scheduleLeaves(schedules []schedule.Schedule) map[string][]policy.Leaf {
	all := make(map[string][]policy.Leaf, len(schedules))
	for _, s := range schedules {
		leaves, err := policy.SplitDocument(s.Document())
		if err != nil {
			panic(err) // of a document that this process has just written
		}
		all[s.Name] = leaves
	}
	return all
}
