package httplimit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/httplimit"
	"github.com/sluice-project/sluice/store/memstore"
)

// limiterFunc is a limiter that answers as a test needs it.
type limiterFunc func(ctx context.Context, key string, cost int64) (sluice.Decision, error)

func (f limiterFunc) Check(ctx context.Context, key string, cost int64) (sluice.Decision, error) {
	return f(ctx, key, cost)
}

var ok = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "served") })

func newLimiter(t *testing.T, limits ...sluice.Limit) *sluice.Limiter {
	t.Helper()
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	limiter, err := sluice.New(store, sluice.Policy{Name: "api", Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	return limiter
}

func serve(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func get(remoteAddr string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = remoteAddr
	return r
}

func problemOf(t *testing.T, resp *http.Response) httplimit.Problem {
	t.Helper()
	if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type %q, want application/problem+json", got)
	}
	var p httplimit.Problem
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
		t.Fatalf("body: %v", err)
	}
	return p
}

func TestZeroConfig(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := httplimit.New(newLimiter(t, sluice.PerMinute(2)), httplimit.Config{})(ok)
		for _, state := range []string{`"minute";r=1;t=60`, `"minute";r=0;t=60`} {
			resp := serve(h, get("192.0.2.1:1"))
			if got := resp.Header.Get("RateLimit"); resp.StatusCode != 200 || got != state {
				t.Fatalf("status %d, RateLimit %q, want 200 and %q", resp.StatusCode, got, state)
			}
			time.Sleep(10 * time.Millisecond)
		}
		// The third is refused, from another port and behind a made-up address as well.
		r := get("192.0.2.1:2")
		r.Header.Set("X-Forwarded-For", "203.0.113.9")
		resp := serve(h, r)
		if resp.StatusCode != 429 {
			t.Fatalf("status %d, want 429", resp.StatusCode)
		}
		if got := resp.Header.Get("RateLimit-Policy"); got != `"minute";q=2;w=60` {
			t.Errorf("RateLimit-Policy %q", got)
		}
		p := problemOf(t, resp)
		if diff := cmp.Diff([]string{"minute"}, p.ViolatedPolicies); p.Type != httplimit.TypeQuotaExceeded || p.Status != 429 || diff != "" {
			t.Errorf("problem %+v", p)
		}
		if resp := serve(h, get("192.0.2.2:1")); resp.StatusCode != 200 {
			t.Errorf("another client: status %d, want 200", resp.StatusCode)
		}
		// Whoever waits as he was told is served.
		wait, err := strconv.Atoi(resp.Header.Get("Retry-After"))
		if err != nil || wait != 60 {
			t.Fatalf("Retry-After %q, want 60", resp.Header.Get("Retry-After"))
		}
		time.Sleep(time.Duration(wait) * time.Second)
		if resp := serve(h, get("192.0.2.1:1")); resp.StatusCode != 200 {
			t.Errorf("after Retry-After: status %d, want 200", resp.StatusCode)
		}
	})
}

func TestKeyAndCostReachTheLimiter(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", sluice.MaxKeyBytes+1)
	tests := []struct {
		name   string
		config httplimit.Config
		key    string
		cost   int64
	}{
		{"zero config", httplimit.Config{}, "192.0.2.1", 1},
		{"header", httplimit.Config{Key: httplimit.ByHeader("X-Long")}, sluice.JoinKey(long), 1},
		{"cost", httplimit.Config{Cost: func(r *http.Request) int64 { return r.ContentLength }}, "192.0.2.1", 5},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			limiter := limiterFunc(func(_ context.Context, key string, cost int64) (sluice.Decision, error) {
				if asked++; key != test.key || cost != test.cost {
					t.Errorf("Check(%q, %d), want (%q, %d)", key, cost, test.key, test.cost)
				}
				return sluice.Decision{Allowed: true}, nil
			})
			r := httptest.NewRequest("POST", "/", strings.NewReader("12345"))
			r.Header.Set("X-Long", long)
			serve(httplimit.New(limiter, test.config)(ok), r)
			if asked != 1 {
				t.Errorf("asked %d times, want once", asked)
			}
		})
	}
}

// What a caller can get wrong is refused whatever OnError says: it is no outage.
func TestWhatTheCallerGotWrong(t *testing.T) {
	t.Parallel()
	cost := func(n int64) func(*http.Request) int64 { return func(*http.Request) int64 { return n } }
	custom := func(*http.Request) (string, error) { return "", nil }
	wrapped := func(*http.Request) (string, error) {
		return "", fmt.Errorf("in confidence: %w", &httplimit.MissingError{What: "tenant"})
	}
	tests := []struct {
		name   string
		config httplimit.Config
		status int
		detail string
	}{
		{"no header", httplimit.Config{Key: httplimit.ByHeader("X-API-Key")}, 400, "the request has no header X-API-Key, which says who is limited"},
		{"no header, allowed", httplimit.Config{Key: httplimit.ByHeader("X-API-Key"), AllowMissing: true}, 200, ""},
		{"empty key", httplimit.Config{Key: custom}, 400, "the request has no key, which says who is limited"},
		{"empty key, allowed", httplimit.Config{Key: custom, AllowMissing: true}, 200, ""},
		{"wrapped", httplimit.Config{Key: wrapped}, 400, "the request has no tenant, which says who is limited"},
		{"negative cost", httplimit.Config{Cost: cost(-1)}, 400, "cost: it is -1; it must be a whole number from 0 to 4294967295"},
		{"huge cost", httplimit.Config{Cost: cost(1 << 60)}, 400, "cost: it is 1152921504606846976; it must be a whole number from 0 to 4294967295"},
		{"negative cost is not missing", httplimit.Config{Cost: cost(-1), AllowMissing: true}, 400, "cost: it is -1; it must be a whole number from 0 to 4294967295"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var reported []error
			test.config.OnError = sluice.Allow
			test.config.Report = func(_ *http.Request, err error) { reported = append(reported, err) }
			resp := serve(httplimit.New(newLimiter(t, sluice.PerMinute(2)), test.config)(ok), get("192.0.2.1:1"))
			if resp.StatusCode != test.status {
				t.Fatalf("status %d, want %d", resp.StatusCode, test.status)
			}
			if got := resp.Header.Values("RateLimit"); got != nil {
				t.Errorf("RateLimit %q, want none", got)
			}
			if test.status == 200 {
				if reported != nil {
					t.Errorf("reported %v, want nothing", reported)
				}
				return
			}
			if len(reported) != 1 {
				t.Errorf("reported %v, want one error", reported)
			}
			want := httplimit.Problem{Type: "about:blank", Title: "Bad Request", Status: 400, Detail: test.detail}
			if diff := cmp.Diff(want, problemOf(t, resp)); diff != "" {
				t.Errorf("problem (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOnError(t *testing.T) {
	t.Parallel()
	down := errors.New("dial tcp 192.0.2.7:6379: connection refused")
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	failing := limiterFunc(func(context.Context, string, int64) (sluice.Decision, error) { return sluice.Decision{}, down })
	failingKey := func(*http.Request) (string, error) { return "", down }
	tests := []struct {
		name   string
		ctx    context.Context
		config httplimit.Config
		status int
	}{
		{"default", t.Context(), httplimit.Config{}, 200},
		{"allow", t.Context(), httplimit.Config{OnError: sluice.Allow}, 200},
		{"deny", t.Context(), httplimit.Config{OnError: sluice.Deny}, 503},
		{"local is deny", t.Context(), httplimit.Config{OnError: sluice.Local}, 503},
		{"unknown policy", t.Context(), httplimit.Config{OnError: 7}, 503},
		{"key fails, allow", t.Context(), httplimit.Config{Key: failingKey}, 200},
		{"key fails, deny", t.Context(), httplimit.Config{Key: failingKey, OnError: sluice.Deny}, 503},
		{"key fails, which is not missing", t.Context(), httplimit.Config{Key: failingKey, OnError: sluice.Deny, AllowMissing: true}, 503},
		{"allow, but the client has hung up", ended, httplimit.Config{OnError: sluice.Allow}, 503},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var reported []error
			test.config.Report = func(_ *http.Request, err error) { reported = append(reported, err) }
			resp := serve(httplimit.New(failing, test.config)(ok), get("192.0.2.1:1").WithContext(test.ctx))
			if resp.StatusCode != test.status {
				t.Fatalf("status %d, want %d", resp.StatusCode, test.status)
			}
			if len(reported) != 1 || !errors.Is(reported[0], down) {
				t.Errorf("reported %v, want the limiter's error once", reported)
			}
			for _, name := range []string{"RateLimit-Policy", "RateLimit", "Retry-After"} {
				if got := resp.Header.Values(name); got != nil {
					t.Errorf("%s %q, want none", name, got)
				}
			}
			if test.status == 503 {
				if p := problemOf(t, resp); p.Status != 503 || p.Type != "about:blank" || strings.Contains(p.Detail, "6379") {
					t.Errorf("problem %+v, want 503 without the store's address", p)
				}
			}
		})
	}
}

func TestNeverHasNoRetryAfter(t *testing.T) {
	t.Parallel()
	config := httplimit.Config{Cost: func(*http.Request) int64 { return 11 }}
	resp := serve(httplimit.New(newLimiter(t, sluice.PerMinute(10)), config)(ok), get("192.0.2.1:1"))
	if got := resp.Header.Values("Retry-After"); resp.StatusCode != 429 || got != nil {
		t.Errorf("status %d, Retry-After %q, want 429 and none", resp.StatusCode, got)
	}
	if got, want := problemOf(t, resp).Detail, "a cost of 11 can never fit (minute holds 10): ask for less at once"; got != want {
		t.Errorf("detail %q, want %q", got, want)
	}
}

func TestBlockedClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := newLimiter(t, sluice.PerMinute(10))
		if err := limiter.Block(t.Context(), "192.0.2.1", 90*time.Second, "abuse"); err != nil {
			t.Fatal(err)
		}
		h := httplimit.New(limiter, httplimit.Config{})(ok)
		resp := serve(h, get("192.0.2.1:1"))
		if got := resp.Header.Get("Retry-After"); resp.StatusCode != 429 || got != "90" {
			t.Errorf("status %d, Retry-After %q, want 429 and 90", resp.StatusCode, got)
		}
		if got := resp.Header.Get("RateLimit"); got != `"minute";r=0;t=90` {
			t.Errorf("RateLimit %q, want nothing left for 90 s", got)
		}
		until := time.Now().Add(90 * time.Second).UTC().Format(time.RFC3339)
		if p := problemOf(t, resp); p.Type != httplimit.TypeAbnormalUsage || p.Detail != "blocked until "+until+" (abuse): try again in 90 s" {
			t.Errorf("problem %+v, want until when it is blocked and why", p)
		}
		time.Sleep(90 * time.Second)
		if resp := serve(h, get("192.0.2.1:1")); resp.StatusCode != 200 {
			t.Errorf("after Retry-After: status %d, want 200", resp.StatusCode)
		}
	})
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	config := httplimit.Config{Refuse: func(w http.ResponseWriter, _ *http.Request, d sluice.Decision) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintln(w, d.Source, d.DeniedBy())
	}}
	h := httplimit.New(newLimiter(t, sluice.PerHour(1)), config)(ok)
	serve(h, get("192.0.2.1:1"))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, get("192.0.2.1:1"))
	if got := w.Body.String(); w.Code != 403 || got != "store [hour]\n" {
		t.Errorf("status %d, body %q, want what Refuse wrote", w.Code, got)
	}
	if got := w.Header().Get("Retry-After"); got != "3600" {
		t.Errorf("Retry-After %q, want 3600", got)
	}
}

// No part of a key that is a secret comes back in any response.
func TestKeyIsNotEchoed(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-key"
	h := httplimit.New(newLimiter(t, sluice.PerHour(1)), httplimit.Config{Key: httplimit.ByHeader("X-API-Key")})(ok)
	for range 2 {
		r := get("192.0.2.1:1")
		r.Header.Set("X-API-Key", secret)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if all := fmt.Sprint(w.Header(), w.Body); strings.Contains(all, secret) {
			t.Errorf("response %s holds the key", all)
		}
	}
}

func TestNestedLimitersShowBoth(t *testing.T) {
	t.Parallel()
	perUser := httplimit.New(newLimiter(t, sluice.PerHour(5).WithName("user")), httplimit.Config{})
	perAddress := httplimit.New(newLimiter(t, sluice.PerHour(3).WithName("address")), httplimit.Config{})
	resp := serve(perUser(perAddress(ok)), get("192.0.2.1:1"))
	want := []string{`"user";q=5;w=3600`, `"address";q=3;w=3600`}
	if diff := cmp.Diff(want, resp.Header.Values("RateLimit-Policy")); diff != "" {
		t.Errorf("RateLimit-Policy (-want +got):\n%s", diff)
	}
}
