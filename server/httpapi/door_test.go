package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/policy/filesource"
	"github.com/sluice-project/sluice/server/httpapi"
	"github.com/sluice-project/sluice/store/memstore"
)

// everything is what a loopback address serves by default.
var everything = httpapi.Address{Checks: true, Admin: true, Loopback: true}

// door is an API as it is served at one address.
type door struct {
	t       *testing.T
	api     *httpapi.API
	engine  *engine.Engine
	handler http.Handler
}

// open returns a door to an empty embedded store with the policies of a configuration.
func open(t *testing.T, config string) door {
	t.Helper()
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return openTo(t, store, config)
}

func openTo(t *testing.T, store sluice.Store, config string) door {
	t.Helper()
	file, err := filesource.Parse("test.yaml", []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := policy.NewSnapshot(file.Policies)
	if err != nil {
		t.Fatal(err)
	}
	e := engine.New(store, engine.Config{})
	e.Swap(snapshot)
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	api := httpapi.New(e, metrics, httpapi.Options{
		TrustedProxies: file.TrustedProxies, AllowInlineLimits: file.AllowInlineLimits, ReadyRequiresStore: file.ReadyRequiresStore,
	})
	return door{t: t, api: api, engine: e, handler: api.Handler(everything)}
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

func (f failing) Reset(context.Context, string, string) error { return f.err }
