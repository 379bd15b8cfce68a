package httpapi

import "net/http"

// health is what healthz and readyz answer, where they answer 200.
type health struct {
	Status string `json:"status"` // "ok" or "degraded"
	Reason string `json:"reason,omitzero"`
}

// healthz answers GET /healthz: the process is alive.
func (a *API) healthz(w http.ResponseWriter, _ *http.Request, _ target) error {
	writeJSON(w, http.StatusOK, "application/json", health{Status: "ok"})
	return nil
}

// Ready reports whether readyz answers 200.
func (a *API) Ready() bool { return a.unready() == nil }

// readyz answers GET /readyz: whether checks should be sent here. A store that fails does not change that, unless it
// is asked for: where it fails, it fails all servers at once, and each policy's on_error says what to do.
func (a *API) readyz(w http.ResponseWriter, _ *http.Request, _ target) error {
	if err := a.unready(); err != nil {
		return err
	}
	if failure := a.engine.StoreFailure(); failure != nil {
		writeJSON(w, http.StatusOK, "application/json", health{"degraded", "the store does not answer, each policy's on_error decides: " + failure.Error()})
		return nil
	}
	writeJSON(w, http.StatusOK, "application/json", health{Status: "ok"})
	return nil
}

// unready says why checks should not be sent here; nil where they should.
func (a *API) unready() error {
	failure := a.engine.StoreFailure()
	switch {
	case a.draining.Load():
		return newProblem(notReady, "this server is stopping: send checks to another one")
	case !a.engine.Loaded():
		return newProblem(notReady, "the policies are not loaded yet: wait")
	case failure != nil && a.options.Load().ReadyRequiresStore:
		return newProblem(notReady, "the store does not answer, and ready_requires_store is set: %s", failure)
	}
	return nil
}
