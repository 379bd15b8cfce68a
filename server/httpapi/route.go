package httpapi

import (
	"net/http"
	"slices"
	"strings"
)

// route is one path and what may be done with it.
type route struct {
	kind    routeKind
	methods []string // all where it is empty
	call    func(a *API, w http.ResponseWriter, r *http.Request, on target) error
}

// routeKind says to whom a route is open.
type routeKind uint8

const (
	checkRoute routeKind = iota
	adminRoute
	healthRoute
)

// target is what a request's path and address say of it.
type target struct {
	policy  string // the policy that the path names
	rest    string // of authorize: what follows the policy, from its '/' on
	address Address
}

var (
	getMethods = []string{http.MethodGet, http.MethodHead}

	checkCall     = &route{checkRoute, []string{http.MethodPost}, (*API).check}
	checksCall    = &route{checkRoute, []string{http.MethodPost}, (*API).checks}
	authorizeCall = &route{checkRoute, nil, (*API).authorize}
	policiesCall  = &route{adminRoute, getMethods, (*API).policies}
	policyCall    = &route{adminRoute, getMethods, (*API).policy}
	keyCall       = &route{adminRoute, append(slices.Clone(getMethods), http.MethodDelete), (*API).key}
	metricsCall   = &route{adminRoute, getMethods, (*API).serveMetrics}
	healthzCall   = &route{healthRoute, getMethods, (*API).healthz}
	readyzCall    = &route{healthRoute, getMethods, (*API).readyz}
)

// find returns the route of a path. It is no [http.ServeMux], which would redirect paths such as "/a//b/..": what
// follows authorize is part of a key, and two different ones must not become one.
func find(path string) (rt *route, on target) {
	switch path {
	case "/v1/check":
		return checkCall, on
	case "/v1/checks":
		return checksCall, on
	case "/v1/policies":
		return policiesCall, on
	case "/healthz":
		return healthzCall, on
	case "/readyz":
		return readyzCall, on
	case "/metrics":
		return metricsCall, on
	}
	if rest, found := strings.CutPrefix(path, "/v1/authorize/"); found {
		end := strings.IndexByte(rest, '/')
		if end < 0 {
			end = len(rest)
		}
		return authorizeCall, target{policy: rest[:end], rest: rest[end:]}
	}
	if rest, found := strings.CutPrefix(path, "/v1/policies/"); found {
		switch name, call, more := strings.Cut(rest, "/"); {
		case !more:
			return policyCall, target{policy: name}
		case call == "key":
			return keyCall, target{policy: name}
		}
	}
	return nil, on
}

// serve answers one request, or returns why it does not.
func (a *API) serve(w http.ResponseWriter, r *http.Request, address Address) error {
	rt, on := find(r.URL.Path)
	on.address = address
	switch {
	case rt == nil:
		return newProblem(notFound, "there is no call %.64q; the calls are /v1/check, /v1/checks, /v1/authorize/{policy}, "+
			"/v1/policies, /v1/policies/{policy}, /v1/policies/{policy}/key, /healthz, /readyz and /metrics", r.URL.Path)
	case rt.kind == checkRoute && !address.Checks:
		return newProblem(notFound, "checks are not served at this address, which is the one of listen.admin: send them to that of listen.http")
	case rt.kind == adminRoute && !address.Admin:
		return newProblem(notFound, "administration is not served at this address: send it to that of listen.admin")
	case rt.kind == adminRoute:
		if reason := notLocal(r); reason != "" {
			return newProblem(notLocalAdmin, "administration is open to this machine's operator only, and %s: ask the server "+
				"directly, at a loopback address", reason)
		}
	}
	if rt.methods != nil && !slices.Contains(rt.methods, r.Method) {
		allow := strings.Join(rt.methods, ", ")
		w.Header().Set("Allow", allow)
		return newProblem(methodNotAllowed, "the method of this call is %s, not %.16q", strings.Join(rt.methods, " or "), r.Method)
	}
	if rt.kind == checkRoute && a.draining.Load() {
		return newProblem(draining, "this server is stopping and takes no more checks: ask another one; nothing was charged")
	}
	return rt.call(a, w, r, on)
}

func (a *API) serveMetrics(w http.ResponseWriter, r *http.Request, _ target) error {
	a.metrics.ServeHTTP(w, r)
	return nil
}
