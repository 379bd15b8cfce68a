package filesource

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml/ast"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
)

// draft is a policy while it is read, with the values that its faults are about.
type draft struct {
	policy.Policy
	values map[string]value // by the fields of policy.Policy.Faults
}

func readPolicies(r *reader, v value, f *File) {
	defaultPolicy := draft{values: make(map[string]value)}
	defaults(r, policySettings, &defaultPolicy)
	f.Policies = []policy.Policy{}
	for name, field := range r.entries(v) {
		d := draft{Policy: defaultPolicy.Policy, values: map[string]value{"name": {path: field.path, at: field.name}}}
		d.Name = name
		fields(r, field, policySettings, laterPolicy, &d)
		unread := r.faulty[field.path] || r.faulty[field.path+".limits"]
		for _, fault := range d.Faults() {
			if fault.Field == "limits" && unread {
				continue // there may be some, and why they could not be read is said already
			}
			about, ok := d.values[fault.Field]
			if !ok {
				about = value{path: join(field.path, fault.Field), at: field.name}
			}
			r.fault(about.at, about.path, "%s", fault.Problem)
		}
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

// readLimits reads a mapping of names to limits, or a list of limits. In place of a limit that cannot be read stands
// one that can, so that what is wrong with the rest is found too.
func readLimits(r *reader, v value, d *draft) {
	d.values["limits"] = v
	add := func(about value, l sluice.Limit) {
		d.values[fmt.Sprintf("limits[%d]", len(d.Limits))] = about
		d.Limits = append(d.Limits, l)
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
	}
	if entries > 0 && len(d.Limits) == 0 {
		r.faulty[v.path] = true // there are some, each with its fault
	}
}

func parseLimit(text string) (sluice.Limit, error) {
	l, err := sluice.ParseLimit(text)
	return l, bareProblem(err)
}

func parseKeyPart(text string) (policy.KeyPart, error) {
	part, err := policy.ParseKeyPart(text)
	return part, bareProblem(err)
}

func parseOnError(text string) (sluice.ErrorPolicy, error) {
	if text == "local" {
		return sluice.Allow, errors.New("a local share of the limits is not in this version; write allow or deny")
	}
	return oneOf(sluice.Allow, sluice.Deny)(text)
}

// bareProblem takes the field off an error that will stand behind a path.
func bareProblem(err error) error {
	if invalid := (*sluice.InvalidError)(nil); errors.As(err, &invalid) {
		return errors.New(invalid.Problem)
	}
	return err
}
