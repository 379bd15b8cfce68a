package httpapi

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sluice-project/sluice/server/access"
)

// route is one path and what may be done with it.
type route struct {
	kind  routeKind
	calls []call
}

// routeKind says what a route is about, and so who may use it, see [route.needs].
type routeKind uint8

const (
	checkRoute   routeKind = iota // decisions: for everybody, unless [Options].ChecksNeedToken
	adminRoute                    // what is live, and how it is changed
	metricsRoute                  // what is measured
	healthRoute                   // for everybody, at every address
)

// administers reports whether routes of this kind are administration.
func (k routeKind) administers() bool { return k == adminRoute || k == metricsRoute }

// needs returns the role that a method of the route needs: of administration, one to look, and another to change.
func (rt route) needs(method string, checksNeedToken bool) access.Role {
	switch {
	case rt.kind.administers() && (method == get || method == http.MethodHead):
		return access.Read
	case rt.kind.administers():
		return access.Admin
	case rt.kind == checkRoute && checksNeedToken:
		return access.Check
	}
	return access.Nobody
}

// call is one method of a route.
type call struct {
	method string // GET answers HEAD too; "" is every method
	answer func(a *API, w http.ResponseWriter, r *http.Request, on target) error

	// Of administration only, which takes nothing that it does not know:
	query   []string // the parameters that it has
	body    bool     // whether it takes one
	guarded bool     // whether If-Match and If-None-Match say of which revision it is meant
}

// target is what a request's path, query and address say of it.
type target struct {
	name    string // of the policy or schedule that the path names
	rest    string // of authorize: what follows the policy, from its '/' on
	query   query  // of administration
	caller  string // of administration, who asks, for the audit log
	address Address
}

const (
	get    = http.MethodGet
	put    = http.MethodPut
	post   = http.MethodPost
	remove = http.MethodDelete
)

var (
	keyQuery   = []string{"key", "key_base64"}
	stateQuery = []string{"key", "key_base64", "cost"}
	pageQuery  = []string{"cursor", "limit"}
	listQuery  = []string{"policy", "cursor", "limit"}
)

// routes are the paths that name nothing.
var routes = map[string]route{
	"/v1/check":  {checkRoute, []call{{method: post, answer: (*API).check}}},
	"/v1/checks": {checkRoute, []call{{method: post, answer: (*API).checks}}},
	"/json":      {checkRoute, []call{{method: post, answer: (*API).serveEnvoy}}},
	"/v1/policies": {adminRoute, []call{
		{method: get, answer: (*API).policies},
		{method: put, answer: (*API).impose, body: true},
	}},
	"/v1/blocks":    {adminRoute, []call{{method: get, answer: (*API).blocks, query: listQuery}}},
	"/v1/overrides": {adminRoute, []call{{method: get, answer: (*API).overrides, query: listQuery}}},
	"/v1/schedules": {adminRoute, []call{{method: get, answer: (*API).schedules}}},
	"/v1/audit":     {adminRoute, []call{{method: get, answer: (*API).audit, query: pageQuery}}},
	"/metrics":      {metricsRoute, []call{{method: get, answer: (*API).serveMetrics}}},
	"/healthz":      {healthRoute, []call{{method: get, answer: (*API).healthz}}},
	"/readyz":       {healthRoute, []call{{method: get, answer: (*API).readyz}}},
}

// namedRoutes are the paths that name a policy or a schedule.
var namedRoutes = map[string]route{
	"/v1/policies/{name}": {adminRoute, []call{
		{method: get, answer: (*API).policy},
		{method: put, answer: (*API).putPolicy, body: true, guarded: true},
		{method: remove, answer: (*API).deletePolicy, guarded: true},
	}},
	"/v1/policies/{name}/reset": {adminRoute, []call{{method: post, answer: (*API).resetPolicy}}},
	"/v1/policies/{name}/key": {adminRoute, []call{
		{method: get, answer: (*API).key, query: stateQuery},
		{method: remove, answer: (*API).resetKey, query: keyQuery},
	}},
	"/v1/policies/{name}/key/block": {adminRoute, []call{
		{method: put, answer: (*API).block, query: keyQuery, body: true},
		{method: remove, answer: (*API).unblock, query: keyQuery},
	}},
	"/v1/policies/{name}/key/override": {adminRoute, []call{
		{method: put, answer: (*API).override, query: keyQuery, body: true},
		{method: remove, answer: (*API).removeOverride, query: keyQuery},
	}},
	"/v1/schedules/{name}": {adminRoute, []call{
		{method: get, answer: (*API).schedule},
		{method: put, answer: (*API).putSchedule, body: true, guarded: true},
		{method: remove, answer: (*API).deleteSchedule, guarded: true},
	}},
	"/v1/schedules/{name}/run":     {adminRoute, []call{{method: post, answer: (*API).runSchedule}}},
	"/v1/schedules/{name}/history": {adminRoute, []call{{method: get, answer: (*API).history, query: pageQuery}}},
}

// authorizeRoute is the path that ends in the path of another request.
var authorizeRoute = route{checkRoute, []call{{answer: (*API).authorize}}}

// find returns the route of a URL. It is no [http.ServeMux], which would redirect paths such as "/a//b/..": what
// follows authorize is part of a key, and two different ones must not become one.
func find(u *url.URL) (rt route, on target, found bool) {
	if rt, found = routes[u.Path]; found {
		return rt, on, true
	}
	if rest, found := strings.CutPrefix(u.Path, "/v1/authorize/"); found {
		end := strings.IndexByte(rest, '/')
		if end < 0 {
			end = len(rest)
		}
		return authorizeRoute, target{name: rest[:end], rest: rest[end:]}, true
	}
	// "", "v1", what the name is of, the name and what follows it: split before the name is unescaped, so that one with
	// a slash in it is no path of another call.
	parts := strings.SplitN(u.EscapedPath(), "/", 5)
	if len(parts) < 4 {
		return rt, on, false
	}
	name, err := url.PathUnescape(parts[3])
	if err != nil || strings.Contains(name, "/") {
		return rt, on, false
	}
	parts[3] = "{name}"
	rt, found = namedRoutes[strings.Join(parts, "/")]
	return rt, target{name: name}, found
}

// find returns the call of a method.
func (rt route) find(method string) (call, bool) {
	if method == http.MethodHead {
		method = get
	}
	i := slices.IndexFunc(rt.calls, func(c call) bool { return c.method == method || c.method == "" })
	if i < 0 {
		return call{}, false
	}
	return rt.calls[i], true
}

// methods returns what may be done with the route.
func (rt route) methods() []string {
	var all []string
	for _, c := range rt.calls {
		all = append(all, c.method)
		if c.method == get {
			all = append(all, http.MethodHead)
		}
	}
	return all
}

// serve answers one request, or returns why it does not.
func (a *API) serve(w http.ResponseWriter, r *http.Request, address Address) error {
	rt, on, found := find(r.URL)
	on.address = address
	switch {
	case !found:
		return newProblem(notFound, "there is no call %.64q; the calls are %s", r.URL.Path, allPaths())
	case rt.kind == checkRoute && !address.Checks:
		return newProblem(notFound, "checks are not served at this address, which is the one of listen.admin: send them to that of listen.http")
	case rt.kind.administers() && !address.Admin:
		return newProblem(notFound, "administration is not served at this address: send it to that of listen.admin")
	}
	if need := rt.needs(r.Method, a.options.Load().ChecksNeedToken); need != access.Nobody {
		caller, err := a.admit(w.Header(), r, address, need)
		if err != nil {
			return err
		}
		on.caller = caller.Name
	}
	if rt.kind.administers() {
		if !a.begin() {
			w.Header().Set("Retry-After", "1")
			return newProblem(overloaded, "%d calls of administration are under way, and this server takes no more at once: ask again in a second", maxAdministering)
		}
		defer a.end()
	}
	c, found := rt.find(r.Method)
	if !found {
		w.Header().Set("Allow", strings.Join(rt.methods(), ", "))
		return newProblem(methodNotAllowed, "the method of this call is %s, not %.16q", strings.Join(rt.methods(), " or "), r.Method)
	}
	if rt.kind == checkRoute && a.draining.Load() {
		return newProblem(draining, "this server is stopping and takes no more checks: ask another one; nothing was charged")
	}
	if rt.kind == checkRoute && (r.ContentLength < 0 || r.ContentLength > smallBody) { // how much administration holds is known
		defer a.held.meter(r)()
	}
	if rt.kind == adminRoute {
		return a.administer(w, r, on, c)
	}
	return c.answer(a, w, r, on)
}

// allPaths returns the paths of all calls, for people.
func allPaths() string {
	all := slices.Collect(maps.Keys(routes))
	all = append(slices.AppendSeq(all, maps.Keys(namedRoutes)), "/v1/authorize/{name}")
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// serveEnvoy answers POST /json, which another door does.
func (a *API) serveEnvoy(w http.ResponseWriter, r *http.Request, _ target) error {
	if a.envoy == nil {
		return newProblem(notFound, "Envoy is not answered here: give the server the directory of rate limit files, by envoy.directory")
	}
	a.envoy.ServeHTTP(w, r)
	return nil
}

func (a *API) serveMetrics(w http.ResponseWriter, r *http.Request, _ target) error {
	a.metrics.ServeHTTP(w, r)
	return nil
}
