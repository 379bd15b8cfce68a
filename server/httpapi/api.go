// Package httpapi is the HTTP door: it reads requests, puts checks to the engine and changes to control, and writes what
// they answer, as JSON.
//
// It decides nothing about limits, keeps nothing and opens no connection. What it refuses by itself are requests that it
// cannot read with certainty, those of callers who may not do what they ask for, and what is more than it can hold. It
// imports the engine, control, access for who the callers are, packages policy and schedule for what their documents say, the core package, and httplimit for what
// RateLimit header fields and client addresses are; no other door and no store.
package httpapi

import (
	"net/http"
	"net/netip"
	"sync/atomic"

	"github.com/sluice-project/sluice/control"
	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/server/access"
)

// API is the calls of the door. It is safe for concurrent use.
type API struct {
	engine   *engine.Engine
	control  *control.Control
	metrics  http.Handler
	envoy    http.Handler // nil where there is no such door
	tokens   *access.Book // nil where there are none
	options  atomic.Pointer[Options]
	draining atomic.Bool

	administering atomic.Int64 // calls of administration that are under way
	held          budget       // what bodies take that are being read
}

// Options are the settings of the door that may change while it is open.
type Options struct {
	// TrustedProxies are the networks of the proxies whose word is taken, by authorize, about the address of a client
	// and about its request. The default is none.
	TrustedProxies []netip.Prefix
	// ChecksNeedToken has check, checks and authorize answer only who proves to have the role check. By default they are for
	// everybody who reaches the address.
	ChecksNeedToken bool
	// AllowInlineLimits lets every caller bring limits of its own. By default a caller may do so that proves to have the
	// role check or, where there are no tokens, would be let in for administration: one on this machine.
	AllowInlineLimits bool
	// ReadyRequiresStore makes readyz fail while the store does. By default it answers 200, degraded.
	ReadyRequiresStore bool
	// Persistent says that what is live outlasts the process, because it is kept in a store of its own. By default it ends
	// with the process, and every answer of administration says so in Sluice-Persistence.
	Persistent bool
}

// Address says what is served at one address.
type Address struct {
	// Checks are the calls for everybody: check, checks and authorize.
	Checks bool
	// Admin are all calls but those, healthz and readyz. Where there are no tokens and Certified is no administrator,
	// whoever reaches a loopback address from this machine is one, and nobody at another.
	Admin bool
	// Loopback says that the address can be reached from this machine only.
	Loopback bool
	// Certified is the role of a client whose certificate the address has verified.
	Certified access.Role
}

// New returns the door to an engine and to the control of what it decides by. Metrics is what answers GET /metrics.
func New(e *engine.Engine, c *control.Control, metrics http.Handler, options Options) *API {
	a := &API{engine: e, control: c, metrics: metrics}
	a.Configure(options)
	return a
}

// ServeEnvoy gives the door what answers POST /json, which is the door for Envoy. It is called before the first request.
func (a *API) ServeEnvoy(handler http.Handler) { a.envoy = handler }

// Guard gives the door the tokens that let in. It is called before the first request.
func (a *API) Guard(tokens *access.Book) { a.tokens = tokens }

// Configure replaces the options. Requests under way end by the options that they began with.
func (a *API) Configure(options Options) { a.options.Store(&options) }

// Drain makes readyz and every call that takes a decision answer 503 from now on, and every answer ask the client to
// close its connection. Requests under way end as ever.
func (a *API) Drain() { a.draining.Store(true) }

// Handler returns what serves the calls of one address; healthz and readyz are served at each.
func (a *API) Handler(address Address) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.draining.Load() {
			w.Header().Set("Connection", "close") // the client's next request goes elsewhere
		}
		if err := a.serve(w, r, address); err != nil {
			problemOf(err).write(w)
		}
	})
}
