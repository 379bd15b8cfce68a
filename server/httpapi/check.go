package httpapi

import (
	"net/http"

	"github.com/sluice-project/sluice/engine"
)

// DefaultNamespace is the namespace of limits that a caller brings without saying one.
const DefaultNamespace = "default"

// check answers POST /v1/check.
func (a *API) check(w http.ResponseWriter, r *http.Request, on target) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	c, err := parseCheck(body)
	if err != nil {
		return err
	}
	if c.limits != nil {
		return a.checkInline(w, r, on, c)
	}
	answer, err := a.engine.Check(r.Context(), engine.Query{Policy: *c.policy, Key: *c.key, Cost: c.cost})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, "application/json", NewDecision(answer, ""))
	return nil
}

func (a *API) checkInline(w http.ResponseWriter, r *http.Request, on target, c checkBody) error {
	if !a.options.Load().AllowInlineLimits {
		switch reason := notLocal(r); {
		case !on.address.Loopback:
			return newFault(inlineRefused, "limits", "this address can be reached from other machines, and their callers may not bring limits of "+
				"their own: name a policy, or set allow_inline_limits: true")
		case reason != "":
			return newFault(inlineRefused, "limits", "only a caller on this machine may bring limits of his own, and %s: name a policy, or set "+
				"allow_inline_limits: true", reason)
		}
	}
	namespace := DefaultNamespace
	if c.namespace != nil {
		namespace = *c.namespace
	}
	answer, err := a.engine.CheckInline(r.Context(), engine.Inline{Namespace: namespace, Limits: c.limits, Key: *c.key, Cost: c.cost})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, "application/json", NewDecision(answer, namespace))
	return nil
}

// checks answers POST /v1/checks. A body that cannot be read is an error as a whole; a check that is not legal is one
// by itself.
func (a *API) checks(w http.ResponseWriter, r *http.Request, _ target) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	checks, err := parseChecks(body)
	if err != nil {
		return err
	}
	queries := make([]engine.Query, len(checks))
	for i, c := range checks {
		queries[i] = engine.Query{Policy: *c.policy, Key: *c.key, Cost: c.cost}
	}
	type failure struct {
		Error *Problem `json:"error"`
	}
	decisions := make([]any, len(checks))
	for i, result := range a.engine.CheckAll(r.Context(), queries) {
		if result.Err != nil {
			decisions[i] = failure{problemOf(result.Err)}
		} else {
			decisions[i] = NewDecision(result.Answer, "")
		}
	}
	writeJSON(w, http.StatusOK, "application/json", map[string]any{"decisions": decisions})
	return nil
}
