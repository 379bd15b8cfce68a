package policy

import (
	"maps"
	"slices"
)

// A document that is configured in a file can be changed live as well. So that neither undoes the other, the document
// as the file last had it is kept as the base: what the file has changed since is taken from the file, and everything
// else stays as it is live. What is taken whole is a leaf: a field, or, in a field that is a mapping of names such as
// the limits of a policy, what is under one name.

// MergeDocuments returns the live documents with what the file has changed since the base: all are leaves by the names
// of the documents. Of a leaf that is the same in base and file, the live one stays, also where there is none; of one
// that differs, the file's is taken, also where it has none. So it is with whole documents: one that has come into the
// file is added, one that has left it is deleted, and one that was deleted live comes back, as it is in the file, only
// where the file has changed it. Where the file did not change the order of leaves, it is the live one, and a new leaf
// stands behind the one that it follows in the file. Where what comes out is not legal, as its caller says, the file's
// document is taken whole.
//
// A nil base says that no file was applied before: then nothing live is changed, and what is not live is added.
func MergeDocuments(base, file, live map[string][]Leaf, legal func(name string, leaves []Leaf) bool) map[string][]Leaf {
	merged := maps.Clone(live)
	if merged == nil {
		merged = make(map[string][]Leaf)
	}
	for name, f := range file {
		l, isLive := live[name]
		b, inBase := base[name]
		switch {
		case !isLive && inBase && slices.Equal(b, f), isLive && base == nil:
		case !isLive:
			merged[name] = f
		default:
			merged[name] = mergeLeaves(b, f, l)
			if !slices.Equal(merged[name], l) && !legal(name, merged[name]) {
				merged[name] = f
			}
		}
	}
	for name := range base {
		if _, stays := file[name]; !stays {
			delete(merged, name)
		}
	}
	return merged
}

func mergeLeaves(base, file, live []Leaf) []Leaf {
	inBase, inFile, isLive := byPath(base), byPath(file), byPath(live)
	// taken returns what a leaf becomes; false where it is not in the result.
	taken := func(at path) (Leaf, bool) {
		b, based := inBase[at]
		f, filed := inFile[at]
		if based != filed || b != f {
			return f, filed
		}
		l, ok := isLive[at]
		return l, ok
	}
	var merged []Leaf
	add := func(leaves []Leaf, want func(path) bool) {
		for _, l := range leaves {
			if leaf, ok := taken(l.path()); ok && want(l.path()) {
				merged = append(merged, leaf)
			}
		}
	}
	if reordered(base, file) {
		add(file, func(path) bool { return true })
		add(live, func(at path) bool { _, filed := inFile[at]; return !filed })
		return merged
	}
	// What is new, by the leaf behind which it stands.
	var (
		behind = make(map[path][]Leaf)
		last   path
	)
	for _, f := range file {
		leaf, ok := taken(f.path())
		switch _, known := isLive[f.path()]; {
		case ok && known:
			last = f.path()
		case ok:
			behind[last] = append(behind[last], leaf)
		}
	}
	merged = append(merged, behind[path{}]...)
	for _, l := range live {
		if leaf, ok := taken(l.path()); ok {
			merged = append(append(merged, leaf), behind[l.path()]...)
		}
	}
	return merged
}

func byPath(leaves []Leaf) map[path]Leaf {
	m := make(map[path]Leaf, len(leaves))
	for _, l := range leaves {
		m[l.path()] = l
	}
	return m
}

// reordered reports whether the leaves that two lists have in common stand in another order in each.
func reordered(a, b []Leaf) bool {
	return !slices.EqualFunc(common(a, b), common(b, a), func(a, b Leaf) bool { return a.path() == b.path() })
}

// common returns those leaves of which the others have one at the same path.
func common(leaves, others []Leaf) (both []Leaf) {
	there := byPath(others)
	for _, l := range leaves {
		if _, ok := there[l.path()]; ok {
			both = append(both, l)
		}
	}
	return both
}

// Merge returns the live policies, by name, with what the file has changed since the base, as [MergeDocuments] says. A
// nil base says that no file was applied before. Policies that are live keep their ResetAt.
func Merge(base, file, live []Policy) []Policy {
	legal := func(name string, leaves []Leaf) bool {
		_, err := ParseDocument(name, JoinDocument(leaves))
		return err == nil
	}
	var based map[string][]Leaf
	if base != nil {
		based = leavesOf(base)
	}
	had := leavesOf(live)
	merged := MergeDocuments(based, leavesOf(file), had, legal)
	known := make(map[string]Policy)
	for _, p := range slices.Concat(file, live) {
		known[p.Name] = p
	}
	all := make([]Policy, 0, len(merged))
	for _, name := range slices.Sorted(maps.Keys(merged)) {
		p := known[name]
		if was, isLive := had[name]; isLive && !slices.Equal(merged[name], was) {
			if changed, err := ParseDocument(name, JoinDocument(merged[name])); err == nil {
				changed.ResetAt = p.ResetAt
				p = changed
			}
		}
		all = append(all, p)
	}
	return all
}

func leavesOf(policies []Policy) map[string][]Leaf {
	all := make(map[string][]Leaf, len(policies))
	for _, p := range policies {
		all[p.Name] = p.leaves()
	}
	return all
}
