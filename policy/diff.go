package policy

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Difference is one thing in which two sets of documents differ.
type Difference struct {
	// Path leads to it, such as "policies.api" or "policies.api.limits.second".
	Path string
	// From and To are what it is in the one and in the other: a text as it means, everything else as JSON; "" where
	// there is none. Where names stand in another order they are these names, with commas.
	From, To string
}

// DiffDocuments returns in what documents differ, by names and then as the documents have it; none where they are
// equal. The kind, such as "policies", begins the paths.
func DiffDocuments(kind string, from, to map[string][]Leaf) []Difference {
	var all []Difference
	names := maps.Clone(from)
	if names == nil {
		names = make(map[string][]Leaf)
	}
	maps.Copy(names, to)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		a, had := from[name]
		b, has := to[name]
		at := JoinPath(kind, name)
		switch {
		case !had:
			all = append(all, Difference{Path: at, To: string(JoinDocument(b))})
		case !has:
			all = append(all, Difference{Path: at, From: string(JoinDocument(a))})
		default:
			all = append(all, diffLeaves(at, a, b)...)
		}
	}
	return all
}

func diffLeaves(at string, from, to []Leaf) (all []Difference) {
	inFrom, inTo := byPath(from), byPath(to)
	for _, l := range from {
		if other, ok := inTo[l.path()]; !ok || other != l {
			all = append(all, Difference{at + "." + l.path().String(), l.text(), other.text()})
		}
	}
	for _, l := range to {
		if _, ok := inFrom[l.path()]; !ok {
			all = append(all, Difference{at + "." + l.path().String(), "", l.text()})
		}
	}
	if reordered(from, to) {
		a, b := names(common(from, to)), names(common(to, from))
		for _, field := range slices.Sorted(maps.Keys(a)) {
			if !slices.Equal(a[field], b[field]) {
				all = append(all, Difference{at + "." + field, strings.Join(a[field], ", "), strings.Join(b[field], ", ")})
			}
		}
	}
	return all
}

// names returns the names that leaves have within their fields, in their order.
func names(leaves []Leaf) map[string][]string {
	m := make(map[string][]string)
	for _, l := range leaves {
		m[l.Field] = append(m[l.Field], l.Name)
	}
	return m
}

// text returns the value of a leaf for people.
func (l Leaf) text() string {
	var text string
	if err := json.Unmarshal([]byte(l.Value), &text); err == nil {
		return text
	}
	return l.Value
}

// Diff returns in what policies differ, as [DiffDocuments] says. Neither their order nor ResetAt is a difference.
func Diff(from, to []Policy) []Difference {
	return DiffDocuments("policies", leavesOf(from), leavesOf(to))
}
