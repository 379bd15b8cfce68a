package httpapi_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// TestAdministrationIsShed answers at once that there is too much of it, and checks as ever.
func TestAdministrationIsShed(t *testing.T) {
	t.Parallel()
	d := open(t, guardedPolicies)
	var slow sync.WaitGroup
	body, held := io.Pipe()
	arrived := make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 64 {
		slow.Go(func() {
			r := httptest.NewRequestWithContext(ctx, "PUT", "/v1/policies/x", &announced{body, arrived})
			r.Host, r.ContentLength = "127.0.0.1", 100
			d.handler.ServeHTTP(httptest.NewRecorder(), r)
		})
	}
	for range 64 {
		<-arrived
	}
	for _, path := range []string{"/v1/policies", "/metrics"} {
		w := d.send("GET", path, "")
		if p := d.problem(w); kind(p) != "overloaded" || w.Code != 503 || w.Header().Get("Retry-After") != "1" {
			t.Errorf("GET %s beside 64 others: %d %s", path, w.Code, w.Body)
		}
	}
	if w := d.send("POST", "/v1/check", `{"policy":"api","key":"k"}`); w.Code != 200 {
		t.Errorf("a check beside 64 calls of administration: %d %s", w.Code, w.Body)
	}
	if w := d.send("GET", "/healthz", ""); w.Code != 200 {
		t.Errorf("GET /healthz beside 64 calls of administration: %d", w.Code)
	}
	_ = held.CloseWithError(io.ErrUnexpectedEOF)
	slow.Wait()
	if w := d.send("GET", "/v1/policies", ""); w.Code != 200 {
		t.Errorf("GET /v1/policies when they have ended: %d %s", w.Code, w.Body)
	}
}

// announced is a body that says when it is asked for.
type announced struct {
	io.Reader
	asked chan struct{}
}

func (a *announced) Read(into []byte) (int, error) {
	a.asked <- struct{}{}
	return a.Reader.Read(into)
}

// TestBodiesAreBounded takes no more of them than there is memory for, whoever announces them, and lets small ones pass.
func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	d := open(t, guardedPolicies)
	long := bytes.Repeat([]byte(" "), 1<<20-1)
	var slow sync.WaitGroup
	arrived, end := make(chan struct{}, 100), make(chan struct{})
	for i := range 64 {
		slow.Go(func() {
			r := httptest.NewRequest("POST", "/v1/check", io.MultiReader(bytes.NewReader(long), &waiting{arrived, end}))
			if r.ContentLength = -1; i%2 == 0 {
				r.ContentLength = 1 << 20
			}
			d.handler.ServeHTTP(httptest.NewRecorder(), r)
		})
	}
	for range 64 {
		<-arrived
	}
	check := `{"policy":"api","key":"k"}`
	w := d.send("POST", "/v1/check", check+strings.Repeat(" ", 5000))
	if p := d.problem(w); kind(p) != "overloaded" || w.Code != 503 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("a body beside 64 MiB of others: %d %s", w.Code, w.Body)
	}
	if w := d.send("POST", "/v1/check", check); w.Code != 200 {
		t.Errorf("a small body beside 64 MiB of others: %d %s", w.Code, w.Body)
	}
	if w := d.send("PUT", "/v1/policies/x", `{"limits":["1/s"]}`+strings.Repeat(" ", 5000)); w.Code != http.StatusCreated {
		t.Errorf("administration beside 64 MiB of checks: %d %s", w.Code, w.Body)
	}
	close(end)
	slow.Wait()
	if w := d.send("POST", "/v1/check", check+strings.Repeat(" ", 5000)); w.Code != http.StatusOK {
		t.Errorf("a body when the others have ended: %d %s", w.Code, w.Body)
	}
}

// waiting is the end of a body that does not come.
type waiting struct{ asked, end chan struct{} }

func (w *waiting) Read([]byte) (int, error) {
	w.asked <- struct{}{}
	<-w.end
	return 0, io.EOF
}
