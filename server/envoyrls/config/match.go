package config

import "strings"

// Match is what a descriptor of a request means: a rule, and how its counter is told from others of the rule.
type Match struct {
	// Rule is nil where there is no limit.
	Rule *Rule

	shared uint32 // of which entries the pattern counts in place of the value, a bit each
}

// Match returns what a descriptor means in a domain. As upstream, it matches a rule of as many descriptors, one in
// another, as it has entries: for each entry the one with its key and value, else the first with its key and a pattern
// that matches the value, else the one with its key and no value.
func (c *Config) Match(domain string, entries []Entry) Match {
	n := c.domains[domain]
	if n == nil || len(entries) == 0 || len(entries) > maxDepth {
		return Match{}
	}
	m := Match{}
	for i, e := range entries {
		if n = n.next(e); n == nil {
			return Match{}
		}
		if n.share {
			m.shared |= 1 << i
		}
	}
	m.Rule = n.rule
	if m.Rule == nil {
		return Match{}
	}
	return m
}

// Knows reports whether there is a domain.
func (c *Config) Knows(domain string) bool { return c.domains[domain] != nil }

// next returns the child that an entry leads to; nil where there is none.
func (n *node) next(e Entry) *node {
	l := n.levels[e.Key]
	if l == nil {
		return nil
	}
	if child := l.exact[e.Value]; child != nil {
		return child
	}
	for _, child := range l.patterns {
		if matches(child.parts, e.Value) {
			return child
		}
	}
	return l.any
}

// matches reports whether a value is the parts in their order, with anything between them.
func matches(parts []string, value string) bool {
	first, last := parts[0], parts[len(parts)-1]
	if len(value) < len(first)+len(last) || !strings.HasPrefix(value, first) || !strings.HasSuffix(value, last) {
		return false
	}
	value = value[len(first) : len(value)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		at := strings.Index(value, part)
		if at < 0 {
			return false
		}
		value = value[at+len(part):]
	}
	return true
}

// Name returns what a rule that the entries match is called in metrics: its path, with the values of the request in it
// where the rule says so. The values are a caller's: there can be any number of them.
func (c *Config) Name(domain string, entries []Entry) string {
	m := c.Match(domain, entries)
	if m.Rule == nil {
		return ""
	}
	n := c.domains[domain]
	var b strings.Builder
	for i, e := range entries {
		if i > 0 {
			b.WriteByte('.')
		}
		n = n.next(e)
		b.WriteString(e.Key)
		value := n.named(e, m.Rule.DetailedMetric)
		if value != "" {
			b.WriteByte('_')
			b.WriteString(value)
		}
	}
	return b.String()
}

// named returns the value of an entry as it is part of what the rule is called.
func (n *node) named(e Entry, detailed bool) string {
	switch {
	case n.share:
		return n.pattern
	case detailed, n.byValue:
		return e.Value
	case n.parts != nil:
		return n.pattern
	case n.valued:
		return e.Value
	}
	return ""
}
