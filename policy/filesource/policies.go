package filesource

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
)

// draft is a policy while it is read, with the values that its faults are about.
type draft struct {
	policy.Policy
	values values
}

// values are the places of what a draft was read from, by the fields of its faults.
type values map[string]value

// report makes faults of those of a draft that stands in a field. What is missing has none where it, or what it should
// be in, is there and could not be read: why not is said already.
func (v values) report(r *reader, field value, faults []*sluice.InvalidError) {
	var known []*Fault
	for _, fault := range faults {
		about, ok := v[fault.Field]
		if !ok {
			about = value{path: field.path + "." + fault.Field, at: v.nearest(field, fault.Field)}
		}
		if ok || !r.unread(about.path, field.path) {
			known = append(known, &Fault{Line: about.at.line, Column: about.at.column, Path: about.path, Problem: fault.Problem})
		}
	}
	for _, fault := range known {
		r.fault(place{fault.Line, fault.Column}, fault.Path, "%s", fault.Problem)
	}
}

// unread reports whether a field, or one that it is in up to the outermost, has a fault.
func (r *reader) unread(path, outermost string) bool {
	for len(path) >= len(outermost) {
		if r.faulty[path] {
			return true
		}
		path = path[:max(0, strings.LastIndexByte(path, '.'))]
		if path == "" {
			return false
		}
	}
	return false
}

// nearest returns the place of what a fault's field is in, where it has none itself: it is missing.
func (v values) nearest(field value, path string) place {
	for {
		dot := strings.LastIndexByte(path, '.')
		if dot < 0 {
			return field.name
		}
		path = path[:dot]
		if in, ok := v[path]; ok {
			return in.name
		}
	}
}

func readPolicies(r *reader, v value, f *File) {
	defaultPolicy := draft{values: make(values)}
	defaults(r, policySettings, &defaultPolicy)
	f.Policies = []policy.Policy{}
	for name, field := range r.entries(v) {
		d := draft{Policy: defaultPolicy.Policy, values: values{"name": {path: field.path, at: field.name}}}
		d.Name = name
		fields(r, field, policySettings, &d)
		d.values.report(r, field, d.Faults())
		f.Policies = append(f.Policies, d.Policy)
	}
}

// readKey reads one part of a key, or a list of them.
func readKey(r *reader, v value, d *draft) {
	parts := []value{v}
	if _, isList := v.node.(*ast.SequenceNode); isList {
		parts = r.items(v)
	}
	d.Key = nil
	d.values["key"] = v
	for _, item := range parts {
		if part, ok := parsed(r, item, parseKeyPart); ok {
			d.values[fmt.Sprintf("key[%d]", len(d.Key))] = item
			d.Key = append(d.Key, part)
		}
	}
}

func readLimits(r *reader, v value, d *draft) { d.Limits = limits(r, v, "limits", d.values) }

// limits reads a mapping of names to limits, or a list of limits. In place of a limit that cannot be read stands one
// that can, so that what is wrong with the rest is found too. The field is that of faults.
func limits(r *reader, v value, field string, at values) (all []sluice.Limit) {
	add := func(about value, l sluice.Limit) {
		at[fmt.Sprintf("%s[%d]", field, len(all))] = about
		all = append(all, l)
	}
	entries := 0
	switch n := v.node.(type) {
	case *ast.MappingNode:
		entries = len(n.Values)
		for name, item := range r.entries(v) {
			l, ok := parsed(r, item, parseLimit)
			if !ok {
				l = sluice.PerSecond(1)
			}
			add(value{path: item.path, at: item.name}, l.WithName(name)) // what can be wrong with it is its name
		}
	case *ast.SequenceNode:
		entries = len(n.Values)
		first := make(map[string]value)
		for i, item := range r.items(v) {
			l, ok := parsed(r, item, parseLimit)
			if !ok {
				add(item, sluice.PerSecond(1).WithName(fmt.Sprintf("unread-%d", i)))
				continue
			}
			if earlier, twice := first[l.Name()]; twice {
				r.fault(item.at, item.path, "its period gives it the name %q, which %s has; write a mapping of names to limits", l.Name(), earlier.path)
				l = l.WithName(fmt.Sprintf("unread-%d", i))
			}
			first[l.Name()] = item
			add(item, l)
		}
	default:
		r.fault(v.at, v.path, "it is %s; it must be a mapping of names to limits, as in {second: 10/s}, or a list of limits, as in [10/s]", kindOf(v.node))
		return nil
	}
	if entries == 0 || len(all) > 0 {
		at[field] = v // of one without limits that can be read, each has its fault
	} else {
		r.faulty[v.path] = true
	}
	return all
}

// readBlock reads a penalty.
func readBlock(r *reader, v value, d *draft) {
	if _, ok := v.node.(*ast.MappingNode); !ok {
		r.fault(v.at, v.path, "it is %s; it must be a mapping, as in {after: 100, within: 1m, for: 15m}", kindOf(v.node))
		return
	}
	d.Penalty = new(sluice.Penalty)
	d.values["block"] = v
	fields(r, v, blockSettings, d)
}

// readLease reads a lease. What it does not say of one is the default.
func readLease(r *reader, v value, d *draft) {
	if _, ok := v.node.(*ast.MappingNode); !ok {
		r.fault(v.at, v.path, "it is %s; it must be a mapping, as in {share: 10%%, ttl: 1s}", kindOf(v.node))
		return
	}
	d.Lease = new(sluice.Lease)
	defaults(r, leaseSettings, d)
	d.values["lease"] = v
	fields(r, v, leaseSettings, d)
}

// located is scalar for a field whose faults are known by another name than its path.
func located[S, T any](field string, parse func(string) (T, error), into func(*S) *T, at func(*S) values) func(*reader, value, *S) {
	return func(r *reader, v value, s *S) {
		if t, ok := parsed(r, v, parse); ok {
			*into(s) = t
			at(s)[field] = v
		}
	}
}

func penaltyField[T any](name string, parse func(string) (T, error), into func(*sluice.Penalty) *T) func(*reader, value, *draft) {
	return located("block."+name, parse, func(d *draft) *T { return into(d.Penalty) }, func(d *draft) values { return d.values })
}

func leaseField[T any](name string, parse func(string) (T, error), into func(*sluice.Lease) *T) func(*reader, value, *draft) {
	return located("lease."+name, parse, func(d *draft) *T { return into(d.Lease) }, func(d *draft) values { return d.values })
}

// overrideDraft is an override while it is read. Its faults are those of the policy.
type overrideDraft struct {
	policy.Override
	field  string
	values values
}

func readOverrides(r *reader, v value, d *draft) {
	d.values["overrides"] = v
	for pattern, field := range r.entries(v) {
		o := overrideDraft{
			Override: policy.Override{Pattern: pattern}, field: policy.JoinPath("overrides", pattern), values: d.values,
		}
		d.values[o.field] = value{path: field.path, at: field.name, name: field.name}
		fields(r, field, overrideSettings, &o)
		d.Overrides = append(d.Overrides, o.Override)
	}
}

func readOverrideLimits(r *reader, v value, o *overrideDraft) {
	o.Limits = limits(r, v, o.field+".limits", o.values)
}

func readUntil(r *reader, v value, o *overrideDraft) {
	if until, ok := parsed(r, v, parseUntil); ok {
		o.Until = until
		o.values[o.field+".until"] = v
	}
}

func parseUntil(text string) (time.Time, error) {
	until, err := policy.ParseUntil(text)
	return until, bareProblem(err)
}

func parseLimit(text string) (sluice.Limit, error) {
	l, err := sluice.ParseLimit(text)
	return l, bareProblem(err)
}

func parseShare(text string) (int, error) {
	share, err := sluice.ParseShare(text)
	return share, bareProblem(err)
}

func parseKeyPart(text string) (policy.KeyPart, error) {
	part, err := policy.ParseKeyPart(text)
	return part, bareProblem(err)
}

func parseOnError(text string) (sluice.ErrorPolicy, error) {
	return oneOf(sluice.Allow, sluice.Deny, sluice.Local)(text)
}

// bareProblem takes the field off an error that will stand behind a path.
func bareProblem(err error) error {
	if invalid := (*sluice.InvalidError)(nil); errors.As(err, &invalid) {
		return errors.New(invalid.Problem)
	}
	return err
}
