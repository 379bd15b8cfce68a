package httpapi

import (
	"net/http"

	"github.com/sluice-project/sluice/engine"
)

// DefaultNamespace is the namespace of limits that a caller brings without saying one.
const DefaultNamespace = "default"

// check answers POST /v1/check.
func (a *API) check(w http.ResponseWriter, r *http.Request, on target) error {
	s := newScratch()
	defer s.giveBack()
	if err := readInto(&s.in, w, r); err != nil {
		return err
	}
	c, err := parseCheck(s.in.Bytes())
	if err != nil {
		return err
	}
	if c.limits != nil {
		return a.checkInline(w, r, on, c)
	}
	answer, err := a.engine.Check(r.Context(), engine.Query{Policy: c.policy, Key: c.key, Cost: c.cost})
	if err != nil {
		return err
	}
	s.write(&answer)
	s.answer(w)
	return nil
}

func (a *API) checkInline(w http.ResponseWriter, r *http.Request, on target, c checkBody) error {
	if !a.options.Load().AllowInlineLimits {
		if err := a.admitInline(w.Header(), r, on.address); err != nil {
			return err
		}
	}
	namespace := DefaultNamespace
	if c.hasNamespace {
		namespace = c.namespace
	}
	answer, err := a.engine.CheckInline(r.Context(), engine.Inline{Namespace: namespace, Limits: c.limits, Key: c.key, Cost: c.cost})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, "application/json", NewDecision(answer, namespace))
	return nil
}

// checks answers POST /v1/checks. A body that cannot be read is an error as a whole; a check that is not legal is one
// by itself.
func (a *API) checks(w http.ResponseWriter, r *http.Request, _ target) (err error) {
	held := share{budget: &a.held}
	defer held.giveBack()
	var s *scratch
	if 0 <= r.ContentLength && r.ContentLength <= fewChecks {
		s = newScratch()
	} else {
		s = newLargeScratch(&held)
	}
	defer s.giveBack()
	if err := readInto(&s.in, w, r); err != nil {
		return err
	}
	if s.checks, err = parseChecks(s.checks, s.in.Bytes()); err != nil {
		return err
	}
	keys, written := sizeOfKeys(s.checks)
	if !held.reach(int64(s.in.Cap()+len(s.checks)*heldPerCheck) + keys + written) {
		return overBudget(w)
	}
	for i := range s.checks {
		c := &s.checks[i]
		s.queries = append(s.queries, engine.Query{Policy: c.policy, Key: c.key, Cost: c.cost})
	}
	s.out = append(s.out, `{"decisions":[`...)
	results := a.engine.CheckAll(r.Context(), s.queries)
	for i := range results {
		if i > 0 {
			s.out = append(s.out, ',')
		}
		if err := results[i].Err; err != nil {
			s.out = append(append(append(s.out, `{"error":`...), jsonOf(problemOf(err))...), '}')
		} else {
			s.write(&results[i].Answer)
		}
	}
	s.out = append(s.out, `]}`...)
	held.settle(s.size() + keys)
	s.answer(w)
	return nil
}

// sizeOfKeys returns how long all keys are, and how much memory they take in an answer: a control character is six there, and
// what grows has a quarter more than it needs.
func sizeOfKeys(checks []checkBody) (keys, written int64) {
	for i := range checks {
		key := checks[i].key
		keys += int64(len(key))
		for j := range len(key) {
			if key[j] < ' ' {
				written += 5
			}
		}
	}
	written += keys
	return keys, written + written/4
}
