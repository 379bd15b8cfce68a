package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/sluice-project/sluice"
)

const (
	// maxDepth is how deep a document may be nested: more than any field is, and less than the stack.
	maxDepth = 16
	// maxFaults is how many faults of one document are told apart.
	maxFaults = 1000
	// whole is the path of a document itself, for messages.
	whole = "document"
)

// node is a value of a JSON document.
type node struct {
	path   string // "" of the whole document
	value  any    // string, json.Number, bool; nil of null, of an object and of a list
	delim  json.Delim
	fields []field
	items  []node
}

// field is a field of an object.
type field struct {
	name string
	node
}

// documentReader reads a JSON document strictly and collects every fault.
type documentReader struct {
	faults []*sluice.InvalidError
	more   int // beyond maxFaults
}

func (r *documentReader) fault(path, format string, args ...any) {
	if len(r.faults) == maxFaults {
		r.more++
		return
	}
	if path == "" {
		path = whole
	}
	r.faults = append(r.faults, &sluice.InvalidError{Field: path, Problem: fmt.Sprintf(format, args...)})
}

// err returns the faults, joined; or nil.
func (r *documentReader) err() error {
	if r.more > 0 {
		r.faults = append(r.faults, &sluice.InvalidError{Field: whole, Problem: fmt.Sprintf("there are %d faults more", r.more)})
	}
	return joinFaults("", r.faults)
}

// document returns the value that the data is; false where it is no JSON, which is then a fault.
func (r *documentReader) document(data []byte) (node, bool) {
	if !utf8.Valid(data) {
		r.fault("", "it is not UTF-8")
		return node{}, false
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	root, err := r.node(d, "", 0)
	if err == nil {
		if _, end := d.Token(); end != io.EOF {
			err = errors.New("something follows its end")
		}
	}
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("it ends too early")
		}
		r.fault("", "it is not JSON: %v, near byte %d", err, d.InputOffset())
		return node{}, false
	}
	return root, true
}

// node reads the next value, whose path is given. A field that is there twice is a fault; the error is that of what is
// no JSON.
func (r *documentReader) node(d *json.Decoder, path string, depth int) (node, error) {
	token, err := d.Token()
	if err != nil {
		return node{}, err
	}
	n := node{path: path}
	delim, ok := token.(json.Delim)
	if !ok {
		n.value = token
		return n, nil
	}
	if depth == maxDepth {
		return n, fmt.Errorf("it is nested more than %d deep", maxDepth)
	}
	n.delim = delim
	seen := make(map[string]bool)
	for d.More() {
		if delim == '[' {
			item, err := r.node(d, fmt.Sprintf("%s[%d]", path, len(n.items)), depth+1)
			if err != nil {
				return n, err
			}
			n.items = append(n.items, item)
			continue
		}
		token, err := d.Token()
		if err != nil {
			return n, err
		}
		name, ok := token.(string)
		if !ok {
			return n, errors.New("a name must be text")
		}
		value, err := r.node(d, JoinPath(path, name), depth+1)
		if err != nil {
			return n, err
		}
		if seen[name] {
			r.fault(value.path, "it is there twice; take one of them out")
			continue
		}
		seen[name] = true
		n.fields = append(n.fields, field{name, value})
	}
	_, err = d.Token() // the end
	return n, err
}

// kind says what a value is.
func (n node) kind() string {
	switch n.value.(type) {
	case string:
		return "text"
	case json.Number:
		return "a number"
	case bool:
		return "true or false"
	}
	switch n.delim {
	case '{':
		return "an object"
	case '[':
		return "a list"
	}
	return "null"
}

// setting is a field that an object can have, and how it is read.
type setting struct {
	name string
	read func(node)
}

// object reads an object that has the fields of the settings and no other.
func (r *documentReader) object(n node, settings ...setting) {
	if n.delim != '{' {
		r.fault(n.path, "it is %s; it must be an object", n.kind())
		return
	}
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = s.name
	}
	for _, f := range n.fields {
		known := false
		for _, s := range settings {
			if s.name == f.name {
				known = true
				s.read(f.node)
			}
		}
		if !known {
			r.fault(f.path, "there is no such field here; %s", Suggest(f.name, names))
		}
	}
}

// readText reads a text by the given parse function; false where it is none, which is then a fault.
func readText[T any](r *documentReader, n node, parse func(string) (T, error)) (t T, ok bool) {
	text, ok := n.value.(string)
	if !ok {
		r.fault(n.path, "it is %s; it must be text", n.kind())
		return t, false
	}
	t, err := parse(text)
	if err != nil {
		problem := err.Error()
		if invalid := (*sluice.InvalidError)(nil); errors.As(err, &invalid) {
			problem = invalid.Problem
		}
		r.fault(n.path, "%s", problem)
	}
	return t, err == nil
}

// text returns the setting of a field that is a text.
func text[T any](r *documentReader, name string, parse func(string) (T, error), into *T) setting {
	return setting{name, func(n node) {
		if t, ok := readText(r, n, parse); ok {
			*into = t
		}
	}}
}

// word returns the parse function of a text that is one of a few words.
func word[T fmt.Stringer](all ...T) func(string) (T, error) {
	return func(text string) (none T, _ error) {
		words := make([]string, len(all))
		for i, t := range all {
			if words[i] = t.String(); words[i] == text {
				return t, nil
			}
		}
		return none, fmt.Errorf("it is %.64q; it must be %s", text, strings.Join(words, " or "))
	}
}

// appendJSON appends a value as JSON, without the escapes that only HTML needs.
func appendJSON(b []byte, value any) []byte {
	if text, ok := value.(string); ok && !strings.ContainsFunc(text, escaped) {
		return append(append(append(b, '"'), text...), '"') // as nearly all are, and in a tenth of the time
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		panic(err) // of texts, numbers, true and false, and lists of them
	}
	return append(b, bytes.TrimSuffix(text.Bytes(), []byte("\n"))...)
}

// escaped reports whether a character may need an escape in JSON.
func escaped(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }
