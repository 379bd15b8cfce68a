package httpapi

import (
	"net/http"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/policy"
)

// policyDocument is a policy in the fields of the configuration file.
type policyDocument struct {
	Key     []string    `json:"key,omitzero"`
	Missing string      `json:"missing"`
	Limits  namedLimits `json:"limits"`
	OnError string      `json:"on_error"`
	Shadow  bool        `json:"shadow"`
}

// namedLimits are an object of names and limits in their order, which is that of denied_by.
type namedLimits []sluice.Limit

// MarshalJSONTo writes the object.
func (limits namedLimits) MarshalJSONTo(e *jsontext.Encoder) error {
	if err := e.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for _, l := range limits {
		if err := e.WriteToken(jsontext.String(l.Name())); err != nil {
			return err
		}
		if err := e.WriteToken(jsontext.String(l.String())); err != nil {
			return err
		}
	}
	return e.WriteToken(jsontext.EndObject)
}

func newPolicyDocument(p *policy.Policy) policyDocument {
	d := policyDocument{Missing: p.Missing.String(), Limits: p.Limits, OnError: p.OnError.String(), Shadow: p.Shadow}
	for _, part := range p.Key {
		d.Key = append(d.Key, part.String())
	}
	return d
}

// policies answers GET /v1/policies.
func (a *API) policies(w http.ResponseWriter, _ *http.Request, _ target) error {
	all := map[string]policyDocument{}
	for p := range a.engine.Snapshot().All() {
		all[p.Name] = newPolicyDocument(p)
	}
	writeJSON(w, http.StatusOK, "application/json", map[string]any{"policies": all})
	return nil
}

// policy answers GET /v1/policies/{policy}.
func (a *API) policy(w http.ResponseWriter, r *http.Request, on target) error {
	p, found := a.engine.Snapshot().Get(on.policy)
	if !found {
		return &engine.UnknownPolicyError{Policy: on.policy}
	}
	tag := `"` + p.Revision() + `"`
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	writeJSON(w, http.StatusOK, "application/json", newPolicyDocument(p))
	return nil
}
