package schedule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
)

const (
	// maxDepth is how deep objects and lists of a document may lie in each other; legal ones need three.
	maxDepth = 8
	// maxFaults is how many faults of a document are told.
	maxFaults = 100
)

// node is one value of a JSON text.
type node struct {
	value   any      // string, json.Number, bool or nil, where it is neither an object nor a list
	members []member // of an object, in the order of the text
	items   []node   // of a list
	kind    kind
}

// member is a name in an object and its value.
type member struct {
	name string
	node
}

// sameName reports whether another member has the same name.
func (m member) sameName(other member) bool { return m.name == other.name }

// kind is what a value is, in words.
type kind string

const (
	isObject kind = "an object"
	isList   kind = "a list"
	isText   kind = "text"
	isNumber kind = "a number"
	isBool   kind = "true or false"
	isNull   kind = "null"
)

// parseJSON reads one JSON value and nothing after it.
func parseJSON(data []byte) (node, error) {
	if !utf8.Valid(data) {
		return node{}, errors.New("it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	n, err := readNode(d, 0)
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return node{}, errors.New("it ends too early")
	case err != nil:
		return node{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return node{}, errors.New("something follows its end")
	}
	return n, nil
}

func readNode(d *json.Decoder, depth int) (n node, err error) {
	token, err := d.Token()
	if err != nil {
		return n, err
	}
	switch t := token.(type) {
	case json.Delim:
		if depth == maxDepth {
			return n, fmt.Errorf("more than %d objects and lists lie in each other", maxDepth)
		}
		n.kind = isObject
		if t == '[' {
			n.kind = isList
		}
		for d.More() {
			var m member
			if n.kind == isObject {
				name, err := d.Token()
				if err != nil {
					return n, err
				}
				m.name = name.(string) // the decoder takes no other
			}
			if m.node, err = readNode(d, depth+1); err != nil {
				return n, err
			}
			if n.kind == isObject {
				n.members = append(n.members, m)
			} else {
				n.items = append(n.items, m.node)
			}
		}
		_, err = d.Token()
		return n, err
	case string:
		n.kind = isText
	case json.Number:
		n.kind = isNumber
	case bool:
		n.kind = isBool
	default:
		n.kind = isNull
	}
	n.value = token
	return n, nil
}

// reader gathers what is wrong with a document while it is read.
type reader struct {
	faults []*sluice.InvalidError
	// unread are the paths of what could not be read, and has its fault.
	unread []string
}

// fault notes what is wrong with a field.
func (r *reader) fault(path, format string, args ...any) {
	if len(r.faults) == maxFaults {
		return
	}
	r.faults = append(r.faults, &sluice.InvalidError{Field: path, Problem: fmt.Sprintf(format, args...)})
	r.unread = append(r.unread, path)
}

// told reports whether a fault of a field follows from one that was found when it was read.
func (r *reader) told(path string) bool {
	return slices.ContainsFunc(r.unread, func(unread string) bool { return within(path, unread) || within(unread, path) })
}

// within reports whether a path is that of a field or of something in it.
func within(path, field string) bool {
	rest, found := strings.CutPrefix(path, field)
	return found && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// twice is what is wrong with the second of two equal names in an object.
const twice = "it is there twice; take one of them out"

// setting is a field that an object can have.
type setting struct {
	name string
	read func(r *reader, path string, n node)
}

// object reads an object by its settings.
func (r *reader) object(path string, n node, settings []setting) {
	if !r.is(path, n, isObject) {
		return
	}
	seen := make(map[string]bool)
	for _, m := range n.members {
		at := policy.JoinPath(path, m.name)
		i := slices.IndexFunc(settings, func(s setting) bool { return s.name == m.name })
		switch {
		case i < 0:
			names := make([]string, len(settings))
			for i, s := range settings {
				names[i] = s.name
			}
			r.fault(at, "there is no such field here; %s", policy.Suggest(m.name, names))
		case seen[m.name]:
			r.fault(at, twice)
		default:
			seen[m.name] = true
			settings[i].read(r, at, m.node)
		}
	}
}

// is reports whether a value is of a kind, and notes a fault where it is not.
func (r *reader) is(path string, n node, want kind) bool {
	if n.kind == want {
		return true
	}
	if path == "" {
		path = "document"
	}
	r.fault(path, "it is %s; it must be %s", n.kind, want)
	return false
}

// text returns a setting that reads a text.
func text(name string, to *string) setting {
	return setting{name, func(r *reader, path string, n node) {
		if r.is(path, n, isText) {
			*to = n.value.(string)
		}
	}}
}

// number returns a setting that reads a whole number, which must not be 0 where that would stand for none.
func number(name string, to *int64, zero bool) setting {
	return setting{name, func(r *reader, path string, n node) {
		if !r.is(path, n, isNumber) {
			return
		}
		number := n.value.(json.Number)
		i, err := number.Int64()
		switch {
		case err != nil:
			r.fault(path, "it is %.32s; it must be a whole number, at most %d", number, int64(sluice.MaxCount))
		case i == 0 && !zero:
			r.fault(path, "it is 0; it must be 1 to %d, or left out", int64(sluice.MaxCount))
		default:
			*to = i
		}
	}}
}
