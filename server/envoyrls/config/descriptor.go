package config

import (
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sluice-project/sluice"
)

// document is what one file says.
type document struct {
	domain      string
	at          place // of the domain's name
	descriptors []*descriptor
}

// descriptor is one item of a list of descriptors, as it is written.
type descriptor struct {
	at       place
	path     string
	key      string
	value    string
	hasLimit bool
	limit    rateLimit
	own      ownFields // beside rate_limit
	children []*descriptor

	shadow, quota, detailed, byValue, share, charge bool
	metadata                                        map[string]any
}

// rateLimit is a rate_limit, as it is written.
type rateLimit struct {
	field
	unit      *field
	unitName  string
	requests  int64
	counted   bool // requests_per_unit is there, be it right or wrong
	unlimited bool
	name      string
	replaces  []string
	own       ownFields
}

// ownFields are those that upstream does not have. They stand in a rate_limit or beside it.
type ownFields struct {
	algorithm, every, burst *field
}

var (
	rootFields       = []string{"domain", "descriptors"}
	descriptorFields = []string{
		"key", "value", "rate_limit", "descriptors", "shadow_mode", "quota_mode", "detailed_metric", "value_to_metric",
		"share_threshold", "metadata", "algorithm", "every", "burst", "charge_refused",
	}
	limitFields   = []string{"unit", "requests_per_unit", "unlimited", "name", "replaces", "algorithm", "every", "burst"}
	replaceFields = []string{"name"}
)

// parse reads the content of one file. What it returns is to be built only where there are no faults.
func parse(name string, data []byte, to *faults) *document {
	r := &reader{file: name, faults: to}
	d := &document{at: place{file: name}}
	before := len(to.all)
	root := r.document(data)
	if root != nil {
		root = r.resolve(root)
	}
	if root == nil {
		if len(to.all) == before {
			r.fault(d.at, "", "it is empty; it must have a domain and descriptors")
		}
		return d
	}
	d.at = r.placeOf(root)
	r.mapping(field{node: root, name: d.at}, rootFields, func(name string, f field) {
		switch name {
		case "domain":
			d.at = r.at(f)
			r.text(f, &d.domain)
		case "descriptors":
			d.descriptors = r.descriptors(f, 1)
		}
	})
	if d.domain == "" && root.Kind == yaml.MappingNode {
		r.fault(d.at, "domain", "it is missing or empty; it must be the name that Envoy's filter gives as its domain")
	}
	return d
}

func (r *reader) descriptors(f field, depth int) (all []*descriptor) {
	if depth > maxDepth {
		r.fault(f.name, f.path, "it is nested more than %d deep; no request is", maxDepth)
		return nil
	}
	r.list(f, func(item field) { all = append(all, r.descriptor(item, depth)) })
	return all
}

func (r *reader) descriptor(item field, depth int) *descriptor {
	d := &descriptor{at: r.at(item), path: item.path}
	r.mapping(item, descriptorFields, func(name string, f field) {
		switch name {
		case "key":
			r.text(f, &d.key)
		case "value":
			r.text(f, &d.value)
		case "rate_limit":
			d.hasLimit = true
			d.limit = r.rateLimit(f)
		case "descriptors":
			d.children = r.descriptors(f, depth+1)
		case "shadow_mode":
			r.yesOrNo(f, &d.shadow)
		case "quota_mode":
			r.yesOrNo(f, &d.quota)
		case "detailed_metric":
			r.yesOrNo(f, &d.detailed)
		case "value_to_metric":
			r.yesOrNo(f, &d.byValue)
		case "share_threshold":
			r.yesOrNo(f, &d.share)
		case "charge_refused":
			r.yesOrNo(f, &d.charge)
		case "metadata":
			d.metadata = r.metadata(f)
		default:
			d.own.set(name, f)
		}
	})
	if d.key == "" {
		r.fault(d.at, item.path+".key", "it is missing or empty; every descriptor must have a key")
	}
	if d.share && !strings.Contains(d.value, "*") {
		r.fault(d.at, item.path+".share_threshold", `it goes with a value that has a * only; write one, as in value: "files/*", or take it out`)
	}
	return d
}

func (o *ownFields) set(name string, f field) {
	switch name {
	case "algorithm":
		o.algorithm = &f
	case "every":
		o.every = &f
	case "burst":
		o.burst = &f
	}
}

func (r *reader) rateLimit(f field) rateLimit {
	l := rateLimit{field: f}
	r.mapping(f, limitFields, func(name string, f field) {
		switch name {
		case "unit":
			l.unit = &f
			r.text(f, &l.unitName)
		case "requests_per_unit":
			l.counted = true
			r.whole(f, 0, sluice.MaxCount, &l.requests)
		case "unlimited":
			r.yesOrNo(f, &l.unlimited)
		case "name":
			r.text(f, &l.name)
		case "replaces":
			l.replaces = r.replaces(f)
		default:
			l.own.set(name, f)
		}
	})
	for i, name := range l.replaces {
		if name != "" && name == l.name {
			r.fault(l.field.name, f.path+".replaces", "item %d is the rule's own name, %.64q; it must be that of another", i, name)
		}
	}
	return l
}

func (r *reader) replaces(f field) (names []string) {
	r.list(f, func(item field) {
		name := ""
		r.mapping(item, replaceFields, func(_ string, f field) { r.text(f, &name) })
		if name == "" {
			r.fault(r.at(item), item.path+".name", "it is missing or empty; it must be the name of the rule that is replaced")
		}
		names = append(names, name)
	})
	return names
}

// rule returns the rule of a descriptor that has a limit. What does not go together is a fault.
func (d *descriptor) rule(r *reader) *Rule {
	l := &d.limit
	rule := &Rule{
		File: d.at.file, Line: d.at.line, Unlimited: l.unlimited, Requests: l.requests, Every: 1, Name: l.name, Replaces: l.replaces,
		Shadow: d.shadow, Quota: d.quota, ChargeRefused: d.charge, DetailedMetric: d.detailed, Metadata: d.metadata,
	}
	own := l.own.or(d.own, r)
	unit, known := unitOf(l.unitName)
	rule.Unit = unit
	if l.unlimited {
		if known {
			r.fault(l.unit.name, l.unit.path, "unlimited has no unit; take one of them out")
		}
		for _, f := range []*field{own.algorithm, own.every, own.burst} {
			if f != nil {
				r.fault(f.name, f.path, "it says nothing beside unlimited; take one of them out")
			}
		}
		rule.Requests, rule.Unit = 0, 0
		return rule
	}
	if !known {
		at, problem := l.field.name, "it is missing"
		if l.unit != nil {
			at, problem = r.at(*l.unit), "it is "+r.show(l.unit.node)
		}
		r.fault(at, l.path+".unit", "%s; it must be second, minute, hour, day, week, month or year", problem)
	}
	if !l.counted {
		r.fault(l.field.name, l.path+".requests_per_unit", "it is missing; write how many may be had in a unit, 0 for none, or unlimited: true")
	}
	if own.every != nil {
		most := int64(1)
		if known {
			most = int64(sluice.MaxPeriod / unit.Period())
		}
		r.whole(*own.every, 1, max(1, most), &rule.Every)
	}
	rule.Limit = own.limit(r, rule)
	return rule
}

// or returns the fields that are given here or there; what is given in both places is a fault.
func (o ownFields) or(beside ownFields, r *reader) ownFields {
	pick := func(in, out *field) *field {
		if in != nil && out != nil {
			r.fault(out.name, out.path, "the rate_limit says it too; take one of them out")
		}
		if in != nil {
			return in
		}
		return out
	}
	return ownFields{pick(o.algorithm, beside.algorithm), pick(o.every, beside.every), pick(o.burst, beside.burst)}
}

// algorithms are what algorithm may say. The first is what upstream has.
var algorithms = []string{"fixed-window aligned", "fixed-window", "sliding-window", "sliding-counter", "token-bucket"}

// limit returns the limit of a rule; the zero Limit of one that bars everybody.
func (o ownFields) limit(r *reader, rule *Rule) sluice.Limit {
	algorithm := algorithms[0]
	if o.algorithm != nil {
		r.text(*o.algorithm, &algorithm)
	}
	l := sluice.Per(rule.Requests, time.Duration(rule.Every)*rule.Unit.Period()).WithName(rule.Unit.String())
	switch algorithm {
	case "fixed-window aligned":
		l = l.WithAligned()
	case "fixed-window":
		l = l.WithAlgorithm(sluice.FixedWindow)
	case "sliding-window":
	case "sliding-counter":
		l = l.WithAlgorithm(sluice.SlidingCounter)
	case "token-bucket":
		l = l.WithAlgorithm(sluice.TokenBucket)
	default:
		r.fault(r.at(*o.algorithm), o.algorithm.path, "it is %s; it must be %s", r.show(o.algorithm.node), strings.Join(algorithms, ", "))
	}
	if burst := int64(1); o.burst != nil && r.whole(*o.burst, 1, sluice.MaxCount, &burst) {
		if algorithm != "token-bucket" {
			r.fault(o.burst.name, o.burst.path, "a burst goes with algorithm: token-bucket only")
		}
		l = l.WithBurst(burst)
	}
	if rule.Requests == 0 {
		return sluice.Limit{}
	}
	return l
}
