package config

import (
	"slices"
	"strings"
)

// node is a descriptor in the tree of a domain, or the domain itself.
type node struct {
	rule   *Rule // nil where it has none
	levels map[string]*level

	valued  bool   // it has a value in the file
	byValue bool   // the value is part of what the rule is called in metrics
	share   bool   // all values that the pattern matches have one counter
	pattern string // the value in the file, where it has a '*'
	parts   []string
}

// level is the descriptors side by side that have one key.
type level struct {
	exact    map[string]*node
	patterns []*node // in the order of the files
	any      *node   // of all other values
}

// build makes the tree of the documents.
func build(docs []*document, merge bool, to *faults) *Config {
	c := &Config{domains: map[string]*node{}}
	first := map[string]place{}
	for _, d := range docs {
		if d.domain == "" {
			continue // said already
		}
		domain := c.domains[d.domain]
		if domain != nil && !merge {
			to.add(d.at, "domain", "the domain %.64q is that of %s too; put them in one file, or let domains be merged", d.domain, first[d.domain].file)
			continue
		}
		if domain == nil {
			domain = &node{}
			c.domains[d.domain] = domain
			first[d.domain] = d.at
		}
		r := &reader{file: d.at.file, faults: to}
		c.grow(r, domain, way{domain: d.domain}, d.descriptors)
	}
	return c
}

// way is what leads to a node.
type way struct {
	domain  string
	path    string // of the node's rule, with a '.' behind it
	parts   []Part
	byValue bool // whether a value on it is part of what rules are called
}

// grow adds descriptors to a node.
func (c *Config) grow(r *reader, n *node, to way, all []*descriptor) {
	for _, d := range all {
		child := &node{valued: d.value != "", byValue: d.byValue, share: d.share}
		name := d.key
		if d.value != "" {
			name += "_" + d.value
		}
		if d.key != "" && !n.add(d.key, d.value, child) {
			r.fault(d.at, d.path, "there is another descriptor with the key %.64q and the value %.64q beside it; take one of them out", d.key, d.value)
		}
		on := way{
			domain: to.domain, path: to.path + name + ".", parts: append(slices.Clip(to.parts), Part{d.key, d.value, d.share}),
			byValue: to.byValue || d.byValue && !d.share && (d.value == "" || child.parts != nil),
		}
		if d.hasLimit {
			rule := d.rule(r)
			rule.ID, rule.Domain, rule.Path, rule.Parts, rule.ByValue = len(c.Rules), to.domain, to.path+name, on.parts, on.byValue
			c.Rules = append(c.Rules, rule)
			child.rule = rule
		} else if own := d.own; own.algorithm != nil || own.every != nil || own.burst != nil {
			r.fault(d.at, d.path, "algorithm, every and burst go with a rate_limit only, and it has none")
		}
		c.grow(r, child, on, d.children)
	}
}

// add adds a child, or reports that there is one like it.
func (n *node) add(key, value string, child *node) bool {
	if n.levels == nil {
		n.levels = map[string]*level{}
	}
	l := n.levels[key]
	if l == nil {
		l = &level{exact: map[string]*node{}}
		n.levels[key] = l
	}
	switch {
	case value == "" && l.any != nil, l.exact[value] != nil:
		return false
	case value == "":
		l.any = child
		return true
	case strings.Contains(value, "*"):
		child.pattern, child.parts = value, strings.Split(value, "*")
		l.patterns = append(l.patterns, child)
	}
	l.exact[value] = child
	return true
}
