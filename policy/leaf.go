package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
)

// Leaf is the least part of a document that is changed and compared.
type Leaf struct {
	// Field is a field of the document, Name the name within it; "" where the field is a leaf itself.
	Field, Name string
	// Value is what is there, as JSON.
	Value string
}

// path tells a leaf from the others of its document.
type path struct{ field, name string }

func (l Leaf) path() path { return path{l.Field, l.Name} }

func (p path) String() string {
	if p.name == "" {
		return p.field
	}
	return JoinPath(p.field, p.name)
}

// JoinDocument returns the JSON object that leaves are. Those of one field are together where the first of them is.
func JoinDocument(leaves []Leaf) []byte {
	var order []string
	byField := make(map[string][]Leaf)
	for _, l := range leaves {
		if _, seen := byField[l.Field]; !seen {
			order = append(order, l.Field)
		}
		byField[l.Field] = append(byField[l.Field], l)
	}
	b := []byte{'{'}
	for _, field := range order {
		b = append(appendJSON(b, field), ':')
		if first := byField[field][0]; first.Name == "" {
			b = append(append(b, first.Value...), ',')
			continue
		}
		b = append(b, '{')
		for _, l := range byField[field] {
			b = append(append(appendJSON(b, l.Name), ':'), l.Value...)
			b = append(b, ',')
		}
		b = append(closed(b), ',')
	}
	return closed(b)
}

// closed ends an object in whose place of the end a comma may be.
func closed(b []byte) []byte {
	if last := len(b) - 1; b[last] == ',' {
		b = b[:last]
	}
	return append(b, '}')
}

// SplitDocument returns the leaves of a JSON object, in order. The fields that are to be taken apart are those in which
// each name is a leaf; a field of these that is no object, or an empty one, is a leaf itself. The error is that of what
// is no JSON object.
func SplitDocument(document []byte, apart ...string) ([]Leaf, error) {
	var all []Leaf
	err := eachField(document, func(name string, value json.RawMessage) error {
		before := len(all)
		if slices.Contains(apart, name) && value[0] == '{' {
			if err := eachField(value, func(inner string, value json.RawMessage) error {
				all = append(all, Leaf{name, inner, string(value)})
				return nil
			}); err != nil {
				return err
			}
		}
		if len(all) == before {
			all = append(all, Leaf{Field: name, Value: string(value)})
		}
		return nil
	})
	return all, err
}

// eachField calls do for the fields of an object, their values without spaces.
func eachField(object []byte, do func(name string, value json.RawMessage) error) error {
	var compact bytes.Buffer
	if err := json.Compact(&compact, object); err != nil {
		return err
	}
	d := json.NewDecoder(&compact)
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return errors.Join(err, errors.New("it must be an object"))
	}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		if err := do(token.(string), value); err != nil {
			return err
		}
	}
	return nil
}
