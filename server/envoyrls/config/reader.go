package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sluice-project/sluice/policy"
)

// Bounds of what is read, so that a small file is never a large one.
const (
	maxBytes  = 4 << 20
	maxDepth  = 32      // of descriptors
	maxValues = 500_000 // of a file; one that an alias brings counts again
	maxNested = 100     // of what is in metadata
)

// reader walks a YAML document and collects every fault. What a value means follows upstream's parser, which knows YAML
// 1.1: anchors, aliases and merge keys are read, "yes" is true, and text that looks like a number is text where text is
// wanted.
type reader struct {
	file   string
	faults *faults
	values int // that have been looked at
}

// field is a value with the name before it.
type field struct {
	path string
	name place
	node *yaml.Node // neither null nor an alias
}

func (r *reader) placeOf(n *yaml.Node) place { return place{r.file, n.Line, n.Column} }

func (r *reader) at(f field) place { return r.placeOf(f.node) }

func (r *reader) fault(at place, path, format string, args ...any) {
	r.faults.add(at, path, format, args...)
}

// syntaxLine is the line that the parser names in an error.
var syntaxLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// document returns the first document of a file's content; nil where it is no YAML, which is a fault, or empty.
func (r *reader) document(data []byte) *yaml.Node {
	if len(data) > maxBytes {
		r.fault(place{file: r.file}, "", "it has more than %d bytes, which is the most that such a file can have", maxBytes)
		return nil
	}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		at := place{file: r.file}
		found := syntaxLine.FindStringSubmatch(err.Error())
		if len(found) > 1 && found[1] != "" {
			at.line, _ = strconv.Atoi(found[1])
			at.column = 1
		}
		r.fault(at, "", "it is no YAML: %s", syntaxLine.ReplaceAllString(err.Error(), ""))
		return nil
	}
	if document.Kind != yaml.DocumentNode || len(document.Content) == 0 {
		return nil
	}
	return document.Content[0]
}

// resolve returns what an alias stands for; nil for what is null, or is one value too many.
func (r *reader) resolve(n *yaml.Node) *yaml.Node {
	if r.values++; r.values >= maxValues {
		if r.values == maxValues {
			r.fault(r.placeOf(n), "", "there are more than %d values here with those that aliases bring; split the file", maxValues)
		}
		return nil
	}
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && plain(n) && null(n.Value) {
		return nil
	}
	return n
}

// mapping calls read for each field of a mapping that is not null. A fault is what is no mapping, and each name that is
// none of those known, no text, or there twice.
func (r *reader) mapping(f field, known []string, read func(name string, f field)) {
	if f.node.Kind != yaml.MappingNode {
		r.fault(r.at(f), f.path, "it is %s; it must be a mapping with %s", kindOf(f.node), strings.Join(known, ", "))
		return
	}
	first := map[string]int{}
	r.pairs(f, 0, func(key, value *yaml.Node, merged bool) {
		in := field{policy.JoinPath(f.path, key.Value), r.placeOf(key), r.resolve(value)}
		line, twice := first[key.Value]
		if twice && merged {
			return // what is written out wins over what is merged in
		}
		if !merged && twice {
			r.fault(in.name, in.path, "it is there twice, first in line %d; take one of them out", line)
			return
		}
		first[key.Value] = key.Line
		for _, name := range known {
			if name == key.Value {
				if in.node != nil {
					read(name, in)
				}
				return
			}
		}
		r.fault(in.name, in.path, "there is no such field here; %s", policy.Suggest(key.Value, known))
	})
}

// pairs yields the entries of a mapping whose names are text: those that are written out, then those that are merged in.
func (r *reader) pairs(f field, depth int, yield func(key, value *yaml.Node, merged bool)) {
	var merges []*yaml.Node
	for i := 0; i+1 < len(f.node.Content); i += 2 {
		key, value := f.node.Content[i], f.node.Content[i+1]
		if plain(key) && key.Value == "<<" {
			merges = append(merges, value)
			continue
		}
		if named := r.resolve(key); named == nil || named.Kind != yaml.ScalarNode || plain(named) && scalar(named) != any(named.Value) {
			r.fault(r.placeOf(key), f.path, "a name is %s; it must be text", kindOf(key))
			continue
		} else if key.Kind == yaml.AliasNode {
			key = &yaml.Node{Kind: yaml.ScalarNode, Value: named.Value, Line: key.Line, Column: key.Column}
		}
		yield(key, value, depth > 0)
	}
	for _, m := range merges {
		parts := []*yaml.Node{m}
		if n := r.resolve(m); n != nil && n.Kind == yaml.SequenceNode {
			parts = n.Content
		}
		for _, part := range parts {
			n := r.resolve(part)
			if n == nil || n.Kind != yaml.MappingNode || depth >= maxNested {
				r.fault(r.placeOf(part), f.path, `what "<<" brings must be a mapping`)
				continue
			}
			r.pairs(field{f.path, f.name, n}, depth+1, yield)
		}
	}
}

// list calls read for each item of a list that is not null.
func (r *reader) list(f field, read func(f field)) {
	if f.node.Kind != yaml.SequenceNode {
		r.fault(r.at(f), f.path, "it is %s; it must be a list, each item of which begins with a dash", kindOf(f.node))
		return
	}
	for i, n := range f.node.Content {
		in := field{fmt.Sprintf("%s[%d]", f.path, i), r.placeOf(n), r.resolve(n)}
		if in.node == nil {
			r.fault(in.name, in.path, "it is empty; write fields or take the dash out")
			continue
		}
		read(in)
	}
}

// text reads a value that is text, or is taken for it: a number as it is written.
func (r *reader) text(f field, into *string) {
	if f.node.Kind != yaml.ScalarNode {
		r.fault(r.at(f), f.path, "it is %s; it must be text", kindOf(f.node))
		return
	}
	*into = f.node.Value
}

func (r *reader) yesOrNo(f field, into *bool) {
	if value, ok := scalar(f.node).(bool); ok {
		*into = value
		return
	}
	r.fault(r.at(f), f.path, "it is %s; it must be true or false", r.show(f.node))
}

// whole reads a whole number from least to most, and reports whether it is one.
func (r *reader) whole(f field, least, most int64, into *int64) bool {
	if n, ok := whole(f.node); ok && n >= least && n <= most {
		*into = n
		return true
	}
	r.fault(r.at(f), f.path, "it is %s; it must be a whole number from %d to %d", r.show(f.node), least, most)
	return false
}

// show returns a value for people.
func (r *reader) show(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode {
		return kindOf(n)
	}
	return fmt.Sprintf("%.64q", n.Value)
}

// kindOf says what a value is, without saying its content.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch scalar(n).(type) {
	case nil:
		return "nothing"
	case bool:
		return "true or false"
	case float64:
		return "a number"
	}
	return "text"
}
