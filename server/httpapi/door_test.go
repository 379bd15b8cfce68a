package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/control"
	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/policy/filesource"
	"github.com/sluice-project/sluice/server/httpapi"
	"github.com/sluice-project/sluice/store/ledger"
	"github.com/sluice-project/sluice/store/memstore"
)

// everything is what a loopback address serves by default.
var everything = httpapi.Address{Checks: true, Admin: true, Loopback: true}

// door is an API as it is served at one address.
type door struct {
	t       testing.TB
	api     *httpapi.API
	engine  *engine.Engine
	control *control.Control
	ledger  *fragile
	handler http.Handler
}

// open returns a door to an empty embedded store with the policies of a configuration.
func open(t testing.TB, config string) door {
	t.Helper()
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return openTo(t, store, config)
}

func openTo(t testing.TB, store sluice.Store, config string) door {
	t.Helper()
	file, err := filesource.Parse("test.yaml", []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	d := door{t: t, ledger: &fragile{Ledger: ledger.NewMemory(nil)}}
	d.control = control.New(d.ledger, store, control.Config{Swap: func(s *policy.Snapshot) { d.engine.Swap(s) }})
	d.engine = engine.New(store, engine.Config{View: d.control})
	if err := d.control.Start(t.Context(), control.File{Policies: file.Policies, Schedules: file.Schedules}); err != nil {
		t.Fatal(err)
	}
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	d.api = httpapi.New(d.engine, d.control, metrics, httpapi.Options{
		TrustedProxies: file.TrustedProxies, AllowInlineLimits: file.AllowInlineLimits, ReadyRequiresStore: file.ReadyRequiresStore,
	})
	d.handler = d.api.Handler(everything)
	return d
}

// send sends a request from 127.0.0.1. Headers are "Name: value"; "Host" and "Peer" are those of the request.
func (d door) send(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host, r.RemoteAddr = "127.0.0.1:8080", "127.0.0.1:40000"
	for _, h := range headers {
		switch name, value, _ := strings.Cut(h, ": "); name {
		case "Host":
			r.Host = value
		case "Peer":
			r.RemoteAddr = value
		default:
			r.Header.Add(name, value)
		}
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return w
}

// problem returns the answer as the problem that it must be.
func (d door) problem(w *httptest.ResponseRecorder) httpapi.Problem {
	d.t.Helper()
	var p httpapi.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		d.t.Fatalf("the answer %d %q is no problem: %v", w.Code, w.Body, err)
	}
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		d.t.Errorf("Content-Type = %q, want application/problem+json", got)
	}
	if p.Title == "" || p.Detail == "" || p.Status != w.Code {
		d.t.Errorf("the problem %s lacks a title, a detail or the status %d", w.Body, w.Code)
	}
	return p
}

// kind returns the last part of a problem's type.
func kind(p httpapi.Problem) string {
	_, name, _ := strings.Cut(p.Type, "#")
	return name
}

// remaining returns what a key has left, without taking anything.
func (d door) remaining(policy, key string) int64 {
	d.t.Helper()
	answer, err := d.engine.Check(d.t.Context(), engine.Query{Policy: policy, Key: key, Cost: 1, Peek: true})
	if err != nil {
		d.t.Fatal(err)
	}
	return answer.Remaining
}

// failing is a store that fails.
type failing struct{ err error }

func (f failing) Check(context.Context, sluice.Request) (sluice.Decision, error) {
	return sluice.Decision{}, f.err
}

func (f failing) CheckAll(_ context.Context, reqs []sluice.Request) []sluice.Result {
	results := make([]sluice.Result, len(reqs))
	for i := range results {
		results[i].Err = f.err
	}
	return results
}

func (f failing) Reset(context.Context, *sluice.Policy, string) error { return f.err }

func (f failing) Amend(context.Context, sluice.Amendment) (sluice.Standing, error) {
	return sluice.Standing{}, f.err
}

func (f failing) List(context.Context, sluice.List) (sluice.Page, error) { return sluice.Page{}, f.err }

// fragile is a ledger that fails from when it is told to.
type fragile struct {
	ledger.Ledger
	err atomic.Pointer[error]
}

func (f *fragile) fail(err error) { f.err.Store(&err) }

func (f *fragile) Version(ctx context.Context) (ledger.Version, sluice.Tick, error) {
	if err := f.err.Load(); err != nil {
		return 0, 0, *err
	}
	return f.Ledger.Version(ctx)
}

func (f *fragile) Commit(ctx context.Context, c ledger.Change) (ledger.Receipt, error) {
	if err := f.err.Load(); err != nil {
		return ledger.Receipt{}, *err
	}
	return f.Ledger.Commit(ctx, c)
}

func (f *fragile) Log(ctx context.Context, log, before string, most int) ([]ledger.Line, string, error) {
	if err := f.err.Load(); err != nil {
		return nil, "", *err
	}
	return f.Ledger.Log(ctx, log, before, most)
}
