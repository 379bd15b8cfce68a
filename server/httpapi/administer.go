package httpapi

import "net/http"

// administer answers a call about what is live, or returns why it does not. Whatever the call does not know is refused
// before anything is done: a parameter, a body or a condition that was overlooked would be a change that nobody meant.
func (a *API) administer(w http.ResponseWriter, r *http.Request, on target, c call) (err error) {
	w.Header().Set("Sluice-Persistence", a.persistence())
	if on.query, err = parseQuery(r.URL.RawQuery, c.query); err != nil {
		return err
	}
	if c.method == get {
		return c.answer(a, w, r, on)
	}
	if !c.body {
		if err := wantNoBody(r); err != nil {
			return err
		}
	}
	if !c.guarded {
		if err := wantNoCondition(r.Header); err != nil {
			return err
		}
	}
	if err := c.answer(a, w, r, on); err != nil {
		return problemOfChange(err)
	}
	return nil
}

// persistence says how long what is live is kept: in the store, or as long as the process runs.
func (a *API) persistence() string {
	if a.options.Load().Persistent {
		return "store"
	}
	return "process"
}

// done answers a change that has nothing to show.
func done(w http.ResponseWriter) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// show answers with a value, which must have a JSON form.
func show(w http.ResponseWriter, v any) error {
	writeJSON(w, http.StatusOK, "application/json", v)
	return nil
}
