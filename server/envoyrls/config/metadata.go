package config

import (
	"math"

	"go.yaml.in/yaml/v3"

	"github.com/sluice-project/sluice/policy"
)

// metadata reads what a rule says of itself, which may be anything that JSON can say; nil where it is nothing.
func (r *reader) metadata(f field) map[string]any {
	if f.node.Kind != yaml.MappingNode {
		r.fault(r.at(f), f.path, "it is %s; it must be a mapping of names to anything", kindOf(f.node))
		return nil
	}
	value, _ := r.anything(f, 1).(map[string]any)
	if len(value) == 0 {
		return nil
	}
	return value
}

// anything returns what a value of metadata is: nil, a bool, a float64, a string, a []any or a map[string]any.
func (r *reader) anything(f field, depth int) any {
	if f.node == nil {
		return nil
	}
	if depth > maxNested {
		r.fault(f.name, f.path, "it is nested more than %d deep", maxNested)
		return nil
	}
	switch f.node.Kind {
	case yaml.MappingNode:
		return r.object(f, depth)
	case yaml.SequenceNode:
		list := make([]any, 0, len(f.node.Content))
		for _, n := range f.node.Content {
			list = append(list, r.anything(field{f.path, r.placeOf(n), r.resolve(n)}, depth+1))
		}
		return list
	}
	value := scalar(f.node)
	if n, ok := value.(float64); ok && math.Abs(n) > 1<<53 {
		r.fault(r.at(f), f.path, "%s is more than a number can say exactly, 2^53; write it in quotes", r.show(f.node))
	}
	return value
}

// object reads a mapping whose names are anything that can be a text. Of a name that is there twice the last counts, and
// what is written out wins over what is merged in.
func (r *reader) object(f field, depth int) map[string]any {
	object := map[string]any{}
	var merges []*yaml.Node
	for i := 0; i+1 < len(f.node.Content); i += 2 {
		key, value := r.resolve(f.node.Content[i]), f.node.Content[i+1]
		if key == nil || key.Kind != yaml.ScalarNode {
			r.fault(r.placeOf(f.node.Content[i]), f.path, "a name must be text")
			continue
		}
		if plain(key) && key.Value == "<<" {
			merges = append(merges, value)
			continue
		}
		in := field{policy.JoinPath(f.path, key.Value), r.placeOf(key), r.resolve(value)}
		object[key.Value] = r.anything(in, depth+1)
	}
	for _, m := range merges {
		parts := []*yaml.Node{m}
		if n := r.resolve(m); n != nil && n.Kind == yaml.SequenceNode {
			parts = n.Content
		}
		for _, part := range parts {
			merged, ok := r.anything(field{f.path, r.placeOf(part), r.resolve(part)}, depth+1).(map[string]any)
			if !ok {
				r.fault(r.placeOf(part), f.path, `what "<<" brings must be a mapping`)
			}
			for name, value := range merged {
				if _, there := object[name]; !there {
					object[name] = value
				}
			}
		}
	}
	return object
}
