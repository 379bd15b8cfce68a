package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/server/httpapi"
)

// kind is one of the two kinds of documents that a server holds live.
type kind struct {
	// name is how a server calls all of them, one how people call one.
	name, one string
	// example is the name of one.
	example string
	// apart are the fields of which each name is shown and set by itself.
	apart []string
}

var (
	policyKind   = kind{"policies", "policy", "api", []string{"limits", "block", "lease", "overrides"}}
	scheduleKind = kind{"schedules", "schedule", "nightly-reset", []string{"reset", "set", "adjust", "override", "block"}}
)

func (k kind) path(name string) string { return "/v1/" + k.name + "/" + url.PathEscape(name) }

// leaves takes a document apart.
func (k kind) leaves(document []byte) ([]policy.Leaf, error) {
	d := jsontext.Value(slices.Clone(document))
	if err := d.Format(); err != nil { // so that equal values are equal texts
		return nil, err
	}
	return policy.SplitDocument(d, k.apart...)
}

// document returns a live document and its revision.
func (r *remote) document(ctx context.Context, k kind, name string) (reply, error) {
	return r.do(ctx, request{path: k.path(name)}, http.StatusOK)
}

// documents returns all live documents of a kind by name, and with them the answer that they came in.
func (r *remote) documents(ctx context.Context, k kind) (map[string]jsontext.Value, reply, error) {
	answer, err := r.do(ctx, request{path: "/v1/" + k.name}, http.StatusOK)
	if err != nil {
		return nil, answer, err
	}
	var object map[string]jsontext.Value
	if err := r.read(answer, &object, k.name); err != nil {
		return nil, answer, err
	}
	var all map[string]jsontext.Value
	return all, answer, r.read(reply{body: object[k.name]}, &all)
}

// put makes a live document what is given.
func (r *remote) put(ctx context.Context, k kind, name string, document []byte, meant meantRevision) (reply, error) {
	q := request{method: http.MethodPut, path: k.path(name), body: document, meant: meant}
	return r.do(ctx, q, http.StatusOK, http.StatusCreated)
}

// changeAttempts is how often a document is changed that others change meanwhile.
const changeAttempts = 20

// change edits the leaves of a live document that is there. Unless the revision is said that is meant, one that others
// change meanwhile is read and edited again.
func (r *remote) change(ctx context.Context, k kind, name string, meant meantRevision, edit func([]policy.Leaf) ([]policy.Leaf, error)) (reply, error) {
	for attempt := 1; ; attempt++ {
		answer, err := r.document(ctx, k, name)
		if unknown := (*httpapi.Problem)(nil); errors.As(err, &unknown) && unknown.Status == http.StatusNotFound {
			err = fmt.Errorf("%w; to make a new one, set its whole document", err)
		}
		if err != nil {
			return answer, err
		}
		leaves, err := k.leaves(answer.body)
		if err != nil {
			return answer, fmt.Errorf("%s answers no document; see that it is a Sluice server: %w", r.where, err)
		}
		if leaves, err = edit(leaves); err != nil {
			return answer, err
		}
		expected := meant
		if expected == "" {
			expected = meantRevision(answer.revision)
		}
		if expected == "" {
			return answer, fmt.Errorf("%s does not know the revision of the %s %s, because its store has not been reached yet; ask again later", r.where, k.one, name)
		}
		answer, err = r.put(ctx, k, name, policy.JoinDocument(leaves), expected)
		conflict := (*httpapi.Problem)(nil)
		if !errors.As(err, &conflict) || conflict.Status != http.StatusPreconditionFailed || meant != "" || attempt == changeAttempts {
			return answer, err
		}
	}
}

// setLeaf returns leaves with the value of one: in the place of the one that there is, else at the end of its field. The
// value is JSON; "" takes the leaf out. A leaf without a name stands for all of its field.
func setLeaf(leaves []policy.Leaf, l policy.Leaf) []policy.Leaf {
	var all []policy.Leaf
	set := l.Value == ""
	for _, other := range leaves {
		switch {
		case other.Field != l.Field || l.Name != "" && other.Name != "" && other.Name != l.Name:
			all = append(all, other)
		case !set:
			all = append(all, l)
			set = true
		}
	}
	if !set {
		all = append(all, l) // JoinDocument brings it to its field
	}
	return all
}

// quoted returns a text as JSON.
func quoted(text string) (string, error) {
	value, err := json.Marshal(text)
	if err != nil {
		return "", fmt.Errorf("%.64q: %w", text, err)
	}
	return string(value), nil
}

// unquoted returns the value of a leaf as people write it: a text without its quotes, everything else as JSON.
func unquoted(value string) string {
	var text string
	if err := json.Unmarshal([]byte(value), &text); err == nil {
		return text
	}
	return value
}

// leafPath returns the path of a leaf, as [newSet] takes it.
func leafPath(l policy.Leaf) string {
	if l.Name == "" {
		return l.Field
	}
	return l.Field + "." + l.Name
}
