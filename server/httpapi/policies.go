package httpapi

import (
	"net/http"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/sluice-project/sluice/control"
	"github.com/sluice-project/sluice/policy"
)

// policies answers GET /v1/policies.
func (a *API) policies(w http.ResponseWriter, _ *http.Request, _ target) error {
	documents, revisions := map[string]jsontext.Value{}, map[string]string{}
	for _, p := range a.control.Policies() {
		documents[p.Name] = p.Document()
		if p.Revision > 0 {
			revisions[p.Name] = p.Revision.String()
		}
	}
	return show(w, map[string]any{"policies": documents, "revisions": revisions})
}

// policy answers GET /v1/policies/{policy}.
func (a *API) policy(w http.ResponseWriter, r *http.Request, on target) error {
	p, err := a.control.Policy(on.name)
	if err != nil {
		return err
	}
	showDocument(w, r, p.Document(), p.Revision)
	return nil
}

// policyExample is the document of a policy.
const policyExample = `{"limits":{"second":"10/s burst 20"}}`

// putPolicy answers PUT /v1/policies/{policy}: 201 where the policy is new, as far as this server knew.
func (a *API) putPolicy(w http.ResponseWriter, r *http.Request, on target) error {
	c, err := parseCondition(r.Header)
	if err != nil {
		return err
	}
	document, err := readDocument(w, r, policyExample)
	if err != nil {
		return err
	}
	p, err := policy.ParseDocument(on.name, document)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if _, err := a.control.Policy(on.name); err != nil {
		status = http.StatusCreated
	}
	var live control.LivePolicy
	err = c.guard(func(meant control.Revision) (err error) {
		live, err = a.control.PutPolicy(r.Context(), on.caller, p, meant)
		return err
	})
	if err != nil {
		return err
	}
	writeDocument(w, status, live.Document(), live.Revision)
	return nil
}

// deletePolicy answers DELETE /v1/policies/{policy}.
func (a *API) deletePolicy(w http.ResponseWriter, r *http.Request, on target) error {
	c, err := parseCondition(r.Header)
	if err != nil {
		return err
	}
	err = c.guard(func(meant control.Revision) error {
		return a.control.DeletePolicy(r.Context(), on.caller, on.name, meant)
	})
	if err != nil {
		return err
	}
	return done(w)
}

// resetPolicy answers POST /v1/policies/{policy}/reset: it forgets the counters of all keys of a policy.
func (a *API) resetPolicy(w http.ResponseWriter, r *http.Request, on target) error {
	if err := a.control.ResetPolicy(r.Context(), on.caller, on.name); err != nil {
		return err
	}
	return done(w)
}

// readDocument returns the body of a request that is to be the document of a policy or a schedule: an object, without
// anything behind it.
func readDocument(w http.ResponseWriter, r *http.Request, example string) ([]byte, error) {
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	p := newBodyParser(body, example)
	document, err := p.document()
	if err != nil {
		return nil, err
	}
	return document, p.end()
}
