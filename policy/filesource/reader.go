package filesource

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/sluice-project/sluice/policy"
)

// maxFaults is how many faults are told apart: more than anybody reads, and fewer than fill a log.
const maxFaults = 1000

// reader walks a document and collects every fault.
type reader struct {
	file   string
	faults Faults
	more   int             // faults beyond maxFaults
	faulty map[string]bool // by the paths of the faults
	last   []func(*File)   // what can be looked at only once the whole file is read
}

// plainText is what is wanted where no setting says more.
const plainText = "plain text"

func newReader(file string) *reader {
	return &reader{file: file, faulty: make(map[string]bool)}
}

// value is what stands behind a field, or in a list.
type value struct {
	path string
	want string   // what it must be, in words
	name place    // where its field is named; in a list, where it begins
	at   place    // where it begins
	node ast.Node // neither nil nor null, nor an anchor, alias or tag
}

// setting is one field of a mapping that is read into an S. Its read function reports what is wrong with a value.
type setting[S any] struct {
	Field
	under []Field // the fields within it, where it is a mapping
	read  func(r *reader, v value, into *S)
}

// name is the last word of the path.
func (s setting[S]) name() string { return s.Path[strings.LastIndexByte(s.Path, '.')+1:] }

func (r *reader) fault(at place, path, format string, args ...any) {
	if len(r.faults) == maxFaults {
		r.more++
		return
	}
	r.faulty[path] = true
	r.faults = append(r.faults, &Fault{
		File: r.file, Line: at.line, Column: at.column, Path: path, Problem: fmt.Sprintf(format, args...),
	})
}

// err returns the faults in the order of their places, or nil.
func (r *reader) err() error {
	if len(r.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(r.faults, func(a, b *Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if r.more > 0 {
		r.faults = append(r.faults, &Fault{File: r.file, Problem: fmt.Sprintf("there are %d faults more", r.more)})
	}
	return r.faults
}

// fields reads a mapping whose names are those of the settings.
func fields[S any](r *reader, v value, settings []setting[S], into *S) {
	for name, field := range r.entries(v) {
		if i := slices.IndexFunc(settings, func(s setting[S]) bool { return s.name() == name }); i >= 0 {
			field.want = settings[i].Type
			settings[i].read(r, field, into)
			continue
		}
		names := make([]string, len(settings))
		for i, s := range settings {
			names[i] = s.name()
		}
		r.fault(field.name, field.path, "there is no such field here; %s", policy.Suggest(name, names))
	}
}

// defaults gives an S what the settings say where the file says nothing.
func defaults[S any](r *reader, settings []setting[S], into *S) {
	for _, s := range settings {
		if s.Default == "" {
			continue
		}
		if node := r.document([]byte(s.Default)); node != nil {
			s.read(r, value{path: s.Path, node: node}, into)
		}
	}
}

// entries returns the entries of a mapping by their names, in the order of the file. A fault is what is no mapping, and
// each entry that cannot be read, which is left out.
func (r *reader) entries(v value) iter.Seq2[string, value] {
	return func(yield func(string, value) bool) {
		mapping, ok := v.node.(*ast.MappingNode)
		if !ok {
			r.fault(v.at, v.path, "it is %s; it must be a mapping of names to values", kindOf(v.node))
			return
		}
		first := make(map[string]place, len(mapping.Values))
		for _, entry := range mapping.Values {
			key := entry.Key.GetToken()
			if problem := keyProblem(entry.Key); problem != "" {
				r.fault(placeOf(key), v.path, "%s", problem)
				continue
			}
			field := value{path: policy.JoinPath(v.path, key.Value), want: plainText, name: placeOf(key)}
			if at, twice := first[key.Value]; twice {
				r.fault(field.name, field.path, "it is there twice, first in line %d; take one of them out", at.line)
				continue
			}
			first[key.Value] = field.name
			if r.fill(&field, entry.Value) && !yield(key.Value, field) {
				return
			}
		}
	}
}

// items returns the values of a list. A fault is what is no list, and each value that cannot be read, which is left out.
func (r *reader) items(v value) (items []value) {
	list, ok := v.node.(*ast.SequenceNode)
	if !ok {
		r.fault(v.at, v.path, "it is %s; it must be a list, as in [a, b]", kindOf(v.node))
		return nil
	}
	for i, n := range list.Values {
		item := value{path: fmt.Sprintf("%s[%d]", v.path, i), want: plainText, name: v.name}
		if n != nil {
			item.name = startOf(n)
		}
		if r.fill(&item, n) {
			items = append(items, item)
		}
	}
	return items
}

// keyProblem says why a name in a mapping cannot be read; nothing where it can.
func keyProblem(key ast.MapKeyNode) string {
	switch key.(type) {
	case *ast.MergeKeyNode:
		return `"<<" is not read here; write out what it would bring`
	case *ast.MappingKeyNode:
		return `"?" is not read here; write "name: value"`
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		return "a name is plain text here, without &, * or ! before it"
	}
	return ""
}

// fill gives a value its node, which is what remains behind anchors and tags; these are faults. It reports whether
// anything remains.
func (r *reader) fill(v *value, node ast.Node) bool {
	if node == nil {
		r.fault(v.name, v.path, "it has no value; write one or take it out")
		return false
	}
	v.at = startOf(node)
	switch n := node.(type) {
	case *ast.NullNode:
		r.fault(v.name, v.path, "it has no value; write one or take it out")
		return false
	case *ast.AnchorNode:
		r.fault(v.at, v.path, "an anchor is not read here; take the word with & out")
		return r.fill(v, n.Value)
	case *ast.AliasNode:
		r.fault(v.at, v.path, "an alias is not read here; write out the value in place of the word with *")
		return false
	case *ast.TagNode:
		r.fault(v.at, v.path, "a tag is not read here; take the word with ! out")
		return r.fill(v, n.Value)
	}
	v.node = node
	return true
}

// text returns a value that is one text, number, true or false: text as it means, the rest as it is written. A fault is
// what is none.
func (r *reader) text(v value) (string, bool) {
	switch n := v.node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.MappingNode:
		if text, ok := unsplit(n); ok {
			return text, true
		}
		r.fault(v.at, v.path, "it is a mapping; it must be: %s", v.want)
		return "", false
	case *ast.SequenceNode:
		r.fault(v.at, v.path, "it is a list; it must be: %s", v.want)
		return "", false
	}
	return v.node.GetToken().Value, true
}

// unsplit returns a text that the parser has split at a colon without a space behind it, as it does in a list that is in
// a mapping in braces, such as {key: [header:X-Tenant]}. In YAML that is one text.
func unsplit(n *ast.MappingNode) (text string, ok bool) {
	if n.IsFlowStyle || len(n.Values) != 1 {
		return "", false
	}
	pair := n.Values[0]
	rest, scalar := pair.Value.(ast.ScalarNode)
	if _, null := pair.Value.(*ast.NullNode); !scalar || null || pair.Key.GetToken().Type != token.StringType {
		return "", false
	}
	colon, behind := placeOf(pair.Start), placeOf(rest.GetToken())
	if behind.line != colon.line || behind.column != colon.column+1 {
		return "", false
	}
	return pair.Key.GetToken().Value + ":" + rest.GetToken().Value, true
}

// kindOf says what a value is, without saying its content.
func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	case *ast.BoolNode:
		return "true or false"
	}
	return "a number"
}

// startOf returns where a value begins; the parser calls the first colon the start of a mapping.
func startOf(n ast.Node) place {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return placeOf(m.Values[0].Key.GetToken())
	}
	return placeOf(n.GetToken())
}
