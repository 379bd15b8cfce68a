package policy

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/sluice-project/sluice"
)

// Document returns the policy as a JSON object in the fields of the configuration file, without its name and ResetAt.
// It is the same for equal policies: fields and limits have one order, overrides are in that of their patterns.
func (p *Policy) Document() []byte { return JoinDocument(p.leaves()) }

// leaves returns the document of the policy, taken apart.
func (p *Policy) leaves() []Leaf {
	var all []Leaf
	add := func(field, name string, value any) {
		all = append(all, Leaf{Field: field, Name: name, Value: string(appendJSON(nil, value))})
	}
	if len(p.Key) > 0 {
		parts := make([]string, len(p.Key))
		for i, part := range p.Key {
			parts[i] = part.String()
		}
		add("key", "", parts)
	}
	add("missing", "", p.Missing.String())
	for _, l := range p.Limits {
		add("limits", l.Name(), l.String())
	}
	add("on_error", "", p.OnError.String())
	add("shadow", "", p.Shadow)
	add("deny_cache", "", p.DenyCache)
	if n := p.Penalty; n != nil {
		block := []Leaf{{Field: "after", Value: strconv.FormatInt(n.After, 10)}}
		span := func(field string, d time.Duration) {
			block = append(block, Leaf{Field: field, Value: string(appendJSON(nil, sluice.DurationText(d)))})
		}
		span("within", n.Within)
		span("for", n.For)
		if n.Max != 0 {
			span("max", n.Max)
		}
		all = append(all, Leaf{Field: "block", Value: string(JoinDocument(block))})
	}
	if l := p.Lease; l != nil {
		all = append(all, Leaf{Field: "lease", Value: string(JoinDocument([]Leaf{
			{Field: "share", Value: string(appendJSON(nil, l.ShareText()))},
			{Field: "ttl", Value: string(appendJSON(nil, sluice.DurationText(l.TTL)))},
		}))})
	}
	for _, o := range sortedOverrides(p.Overrides) {
		all = append(all, Leaf{Field: "overrides", Name: o.Pattern, Value: string(o.document())})
	}
	return all
}

// document returns the override as the document of its policy has it.
func (o *Override) document() []byte {
	var all []Leaf
	for _, l := range o.Limits {
		all = append(all, Leaf{Field: "limits", Name: l.Name(), Value: string(appendJSON(nil, l.String()))})
	}
	if !o.Until.IsZero() {
		all = append(all, Leaf{Field: "until", Value: string(appendJSON(nil, untilText(o.Until)))})
	}
	return JoinDocument(all)
}

// ParseDocument reads a policy of that name from JSON, strictly: what [Policy.Document] writes, and also a key that is
// one text, and limits that are a list, in which their names are their periods. A field that is left out has its
// default. The error joins everything that is wrong, each as a [*sluice.InvalidError] whose field is a path within the
// document, such as "limits.second"; "document" where it is no JSON. No data makes it panic.
func ParseDocument(name string, data []byte) (Policy, error) {
	r := policyReader{p: Policy{Policy: sluice.Policy{Name: name}}, paths: make(map[string]string)}
	root, ok := r.document(data)
	if !ok {
		return Policy{}, r.err()
	}
	p := &r.p
	r.object(root,
		setting{"key", r.key},
		text(&r.documentReader, "missing", word(MissingRefuse, MissingAllow), &p.Missing),
		setting{"limits", func(n node) { p.Limits = r.limits(n, "limits") }},
		text(&r.documentReader, "on_error", word(sluice.Allow, sluice.Deny, sluice.Local), &p.OnError),
		r.trueOrFalse("shadow", &p.Shadow),
		r.trueOrFalse("deny_cache", &p.DenyCache),
		setting{"block", r.block},
		setting{"lease", r.lease},
		setting{"overrides", r.overrides},
	)
	unread := make(map[string]bool)
	for _, f := range r.faults {
		unread[f.Field] = true
	}
	for _, f := range p.Faults() {
		if path, ok := r.paths[f.Field]; ok {
			r.fault(path, "%s", f.Problem)
		} else if !unread[f.Field] { // what could not be read has its fault already, and was not set
			r.fault(f.Field, "%s", f.Problem)
		}
	}
	if err := r.err(); err != nil {
		return Policy{}, err
	}
	return *p, nil
}

// policyReader reads the document of a policy.
type policyReader struct {
	documentReader
	p     Policy
	paths map[string]string // where in the document a field of [Policy.Faults] is, where that is spelled otherwise
}

// key reads one part of a key, or a list of them.
func (r *policyReader) key(n node) {
	parts := []node{n}
	if n.delim == '[' {
		parts = n.items
	}
	if len(parts) > MaxKeyParts {
		r.fault(n.path, "there are %d parts; there can be at most %d", len(parts), MaxKeyParts)
		return
	}
	for _, item := range parts {
		if part, ok := readText(&r.documentReader, item, ParseKeyPart); ok {
			r.paths[fmt.Sprintf("key[%d]", len(r.p.Key))] = item.path
			r.p.Key = append(r.p.Key, part)
		}
	}
}

// trueOrFalse returns the setting of a field that is true or false.
func (r *policyReader) trueOrFalse(name string, into *bool) setting {
	return setting{name, func(n node) {
		is, ok := n.value.(bool)
		if !ok {
			r.fault(n.path, "it is %s; it must be true or false", n.kind())
		}
		*into = is
	}}
}

// limits reads an object of names and limits, or a list of limits. In place of a limit that cannot be read stands one
// that can, so that what is wrong with the rest is found too. The path is that of [Policy.Faults].
func (r *policyReader) limits(n node, path string) (limits []sluice.Limit) {
	add := func(about node, l sluice.Limit) {
		r.paths[fmt.Sprintf("%s[%d]", path, len(limits))] = about.path
		limits = append(limits, l)
	}
	if count := len(n.fields) + len(n.items); count > sluice.MaxLimits {
		r.fault(n.path, "there are %d; at most %d can be charged together", count, sluice.MaxLimits)
		return nil
	}
	switch n.delim {
	case '{':
		for _, f := range n.fields {
			l, ok := readText(&r.documentReader, f.node, sluice.ParseLimit)
			if !ok {
				l = sluice.PerSecond(1)
			}
			add(f.node, l.WithName(f.name))
		}
	case '[':
		for i, item := range n.items {
			l, ok := readText(&r.documentReader, item, sluice.ParseLimit)
			if !ok {
				l = sluice.PerSecond(1).WithName(fmt.Sprintf("unread-%d", i))
			}
			add(item, l)
		}
	default:
		r.fault(n.path, `it is %s; it must be an object of names and limits, as in {"second": "10/s"}, or a list of limits, as in ["10/s"]`, n.kind())
	}
	return limits
}

// block reads a penalty.
func (r *policyReader) block(n node) {
	penalty := new(sluice.Penalty)
	r.p.Penalty = penalty
	if n.delim != '{' {
		r.fault(n.path, "it is %s; it must be an object", n.kind())
		r.p.Penalty = nil
		return
	}
	r.object(n,
		setting{"after", func(n node) {
			number, ok := n.value.(json.Number)
			after, err := strconv.ParseInt(number.String(), 10, 64)
			if !ok || err != nil {
				what := n.kind()
				if ok {
					what = number.String()
				}
				r.fault(n.path, "it is %.64s; it must be a whole number from 1 to %d", what, int64(sluice.MaxCount))
			}
			penalty.After = after
		}},
		text(&r.documentReader, "within", sluice.ParseDuration, &penalty.Within),
		text(&r.documentReader, "for", sluice.ParseDuration, &penalty.For),
		text(&r.documentReader, "max", sluice.ParseDuration, &penalty.Max),
	)
}

// lease reads a lease. What it does not say of one is the default.
func (r *policyReader) lease(n node) {
	if n.delim != '{' {
		r.fault(n.path, "it is %s; it must be an object", n.kind())
		return
	}
	r.p.Lease = &sluice.Lease{Share: sluice.DefaultLeaseShare, TTL: sluice.DefaultLeaseTTL}
	r.object(n,
		text(&r.documentReader, "share", sluice.ParseShare, &r.p.Lease.Share),
		text(&r.documentReader, "ttl", sluice.ParseDuration, &r.p.Lease.TTL),
	)
}

// overrides reads an object of patterns and overrides.
func (r *policyReader) overrides(n node) {
	if n.delim != '{' {
		r.fault(n.path, "it is %s; it must be an object of patterns and overrides", n.kind())
		return
	}
	for _, f := range n.fields {
		o := Override{Pattern: f.name}
		r.object(f.node,
			setting{"limits", func(n node) { o.Limits = r.limits(n, f.path+".limits") }},
			text(&r.documentReader, "until", ParseUntil, &o.Until),
		)
		r.p.Overrides = append(r.p.Overrides, o)
	}
}
