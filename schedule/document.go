package schedule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
)

// document is a schedule as JSON, in the fields of the configuration file.
type document struct {
	Cron     string            `json:"cron"`
	Timezone string            `json:"timezone"`
	Missed   string            `json:"missed"`
	Reset    *resetDocument    `json:"reset,omitempty"`
	Set      *setDocument      `json:"set,omitempty"`
	Adjust   *adjustDocument   `json:"adjust,omitempty"`
	Override *overrideDocument `json:"override,omitempty"`
	Block    *blockDocument    `json:"block,omitempty"`
}

type resetDocument struct {
	Policy string `json:"policy"`
}

type setDocument struct {
	Policy string         `json:"policy"`
	Limits limitsDocument `json:"limits"`
}

type adjustDocument struct {
	Policy string `json:"policy"`
	Limit  string `json:"limit"`
	By     int64  `json:"by"`
	Min    int64  `json:"min,omitempty"`
	Max    int64  `json:"max,omitempty"`
}

type overrideDocument struct {
	Policy string         `json:"policy"`
	Key    string         `json:"key"`
	Limits limitsDocument `json:"limits"`
	For    string         `json:"for,omitempty"`
}

type blockDocument struct {
	Policy string `json:"policy"`
	Key    string `json:"key"`
	For    string `json:"for"`
	Reason string `json:"reason,omitempty"`
}

// limitsDocument is limits as an object of their names and texts, in their order.
type limitsDocument []sluice.Limit

// MarshalJSON returns the object.
func (l limitsDocument) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, limit := range l {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(limit.Name())
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(limit.String())
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), text...)
	}
	return append(b, '}'), nil
}

// Document returns the schedule as JSON on one line, in the fields of the configuration file and in one spelling: the
// defaults of timezone and missed are written out, other defaults left out. [ParseDocument] reads it. The name is no
// part of it.
func (s Schedule) Document() []byte {
	d := document{Cron: s.Cron, Timezone: s.Timezone, Missed: s.Missed.String()}
	if d.Timezone == "" {
		d.Timezone = "UTC"
	}
	if j := s.Job.Reset; j != nil {
		d.Reset = &resetDocument{j.Policy}
	}
	if j := s.Job.Set; j != nil {
		d.Set = &setDocument{j.Policy, j.Limits}
	}
	if j := s.Job.Adjust; j != nil {
		d.Adjust = &adjustDocument{j.Policy, j.Limit, j.By, j.Min, j.Max}
	}
	if j := s.Job.Override; j != nil {
		d.Override = &overrideDocument{Policy: j.Policy, Key: j.Key, Limits: j.Limits}
		if j.For != 0 {
			d.Override.For = sluice.DurationText(j.For)
		}
	}
	if j := s.Job.Block; j != nil {
		d.Block = &blockDocument{j.Policy, j.Key, sluice.DurationText(j.For), j.Reason}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(d); err != nil {
		return nil // texts and whole numbers can be encoded
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// ParseDocument reads a schedule from JSON, in the fields of the configuration file:
//
//	{"cron": "@hourly", "timezone": "UTC", "missed": "latest",
//	 "adjust": {"policy": "api", "limit": "second", "by": 1, "max": 50}}
//
// Limits are an object of names and texts, or a list of texts; then a limit's name is its period. Durations are texts
// such as "15m", "1h30m" and "2d". It is strict: a field that is not known, is there twice or has another type is a
// fault. The error is everything that is wrong, each fault a [*sluice.InvalidError] whose field is a path such as
// "set.limits.second", joined by [errors.Join] where there are several.
func ParseDocument(name string, data []byte) (Schedule, error) {
	s := Schedule{Name: name}
	n, err := parseJSON(data)
	if err != nil {
		return Schedule{}, &sluice.InvalidError{Field: "document", Problem: err.Error()}
	}
	var r reader
	places := make(map[string]string) // the paths of limits that stand in an object, by those that Faults gives
	r.object("", n, []setting{
		text("cron", &s.Cron),
		text("timezone", &s.Timezone),
		{"missed", func(r *reader, path string, n node) {
			if r.is(path, n, isText) {
				var err error
				if s.Missed, err = ParseMissed(n.value.(string)); err != nil {
					r.fault(path, "%s", problemOf(err))
				}
			}
		}},
		{"reset", func(r *reader, path string, n node) {
			j := new(Reset)
			s.Job.Reset = j
			r.object(path, n, []setting{text("policy", &j.Policy)})
		}},
		{"set", func(r *reader, path string, n node) {
			j := new(Set)
			s.Job.Set = j
			r.object(path, n, []setting{text("policy", &j.Policy), limits(&j.Limits, places)})
		}},
		{"adjust", func(r *reader, path string, n node) {
			j := new(Adjust)
			s.Job.Adjust = j
			r.object(path, n, []setting{
				text("policy", &j.Policy), text("limit", &j.Limit),
				number("by", &j.By, true), number("min", &j.Min, false), number("max", &j.Max, false),
			})
		}},
		{"override", func(r *reader, path string, n node) {
			j := new(Override)
			s.Job.Override = j
			r.object(path, n, []setting{
				text("policy", &j.Policy), text("key", &j.Key), limits(&j.Limits, places), duration(&j.For),
			})
		}},
		{"block", func(r *reader, path string, n node) {
			j := new(Block)
			s.Job.Block = j
			r.object(path, n, []setting{
				text("policy", &j.Policy), text("key", &j.Key), duration(&j.For), text("reason", &j.Reason),
			})
		}},
	})
	if n.kind != isObject {
		return Schedule{}, join(r.faults)
	}
	for _, fault := range s.Faults() {
		field := fault.Field
		if place, ok := places[field]; ok {
			field = place
		}
		if !r.told(field) {
			r.faults = append(r.faults, &sluice.InvalidError{Field: field, Problem: fault.Problem})
		}
	}
	if err := join(r.faults); err != nil {
		return Schedule{}, err
	}
	return s, nil
}

// duration returns the setting "for".
func duration(to *time.Duration) setting {
	return setting{"for", func(r *reader, path string, n node) {
		if !r.is(path, n, isText) {
			return
		}
		d, err := sluice.ParseDuration(n.value.(string))
		switch {
		case err != nil:
			r.fault(path, "%s", problemOf(err))
		case d == 0:
			r.fault(path, "it is 0s; it must be 1ms to 366d")
		default:
			*to = d
		}
	}}
}

// limits returns the setting "limits". In the place of a limit that cannot be read stands one that can, so that what is
// wrong with the others is found too. It notes where in the document the limits of an object stand.
func limits(to *[]sluice.Limit, places map[string]string) setting {
	return setting{"limits", func(r *reader, path string, n node) {
		read := func(at string, n node) (limit sluice.Limit, ok bool) {
			if !r.is(at, n, isText) {
				return limit, false
			}
			limit, err := sluice.ParseLimit(n.value.(string))
			if err != nil {
				r.fault(at, "%s", problemOf(err))
				return limit, false
			}
			return limit, true
		}
		if len(n.members)+len(n.items) > sluice.MaxLimits {
			r.fault(path, "there are %d; at most %d can be charged together", len(n.members)+len(n.items), sluice.MaxLimits)
			return
		}
		switch n.kind {
		case isObject:
			for i, m := range n.members {
				at := policy.JoinPath(path, m.name)
				if slices.ContainsFunc(n.members[:i], m.sameName) {
					r.fault(at, twice)
					continue
				}
				limit, ok := read(at, m.node)
				if !ok {
					limit = sluice.PerSecond(1)
				}
				places[fmt.Sprintf("%s[%d]", path, len(*to))] = at
				*to = append(*to, limit.WithName(m.name))
			}
		case isList:
			for i, item := range n.items {
				limit, ok := read(fmt.Sprintf("%s[%d]", path, i), item)
				if !ok {
					limit = sluice.PerSecond(1).WithName(fmt.Sprintf("unread-%d", i))
				}
				*to = append(*to, limit)
			}
		default:
			r.fault(path, `it is %s; it must be an object of names and limits, as in {"second": "10/s"}, or a list of limits`, n.kind)
		}
	}}
}
