//go:build e2e

package doors

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The limit of the shipped configuration.
const limit = 10

// TestProxiesLimit sends 100 requests where 10 a minute may pass.
func TestProxiesLimit(t *testing.T) {
	each(t, proxies, func(t *testing.T, p proxy) {
		s := p.stage(t, [2]string{})
		c := from("127.0.0.2")
		body := strings.Repeat("0123456789abcdef", 1<<12) // 64 KiB, more than a proxy holds in its first buffer
		for i := range 100 {
			method, sent := http.MethodGet, ""
			if i%2 == 1 {
				method, sent = http.MethodPost, body
			}
			if i >= limit { // a long body that is refused breaks the connection at some
				sent = sent[:len(sent)/8]
			}
			got := c.ask(t, method, s.url+fmt.Sprintf("/things/%d?n=%d", i, i), sent)
			if i < limit {
				s.requirePass(t, i, got)
			} else {
				s.requireRefusal(t, i, got)
			}
		}
		seen := s.backend.take()
		if len(seen) != limit {
			t.Fatalf("%d of 100 requests have reached the backend, want %d", len(seen), limit)
		}
		for i, r := range seen {
			method, sent := http.MethodGet, ""
			if i%2 == 1 {
				method, sent = http.MethodPost, body
			}
			if want := fmt.Sprintf("/things/%d?n=%d", i, i); r.method != method || r.uri != want || r.body != sent {
				t.Errorf("request %d reached the backend as %s %s with a body of %d bytes, want %s %s with %d", i, r.method, r.uri, len(r.body), method, want, len(sent))
			}
			if want := fmt.Sprintf(`"minute";r=%d;`, limit-1-i); p.quietPass && !strings.HasPrefix(r.header.Get("RateLimit"), want) {
				t.Errorf("request %d reached the backend with RateLimit %q, want %s...", i, r.header.Get("RateLimit"), want)
			}
		}
		// Somebody else is not limited by what this one has used.
		s.requirePass(t, 0, from("127.0.0.3").ask(t, http.MethodGet, s.url+"/", ""))
	})
}

// requirePass looks at the answer to the request that so many have passed before.
func (s *scene) requirePass(t *testing.T, before int, got reply) {
	t.Helper()
	if got.status != http.StatusOK || got.body != greeting || got.header.Get("Backend") != "yes" {
		t.Errorf("request %d is answered %d %q, want what the backend says", before, got.status, got.body)
	}
	policy, state := `"minute";q=10;w=60`, fmt.Sprintf(`"minute";r=%d;t=`, limit-1-before)
	if s.quietPass {
		policy, state = "", ""
	}
	if got.header.Get("RateLimit-Policy") != policy || !strings.HasPrefix(got.header.Get("RateLimit"), state) || s.quietPass && got.header.Get("RateLimit") != "" {
		t.Errorf("request %d has RateLimit-Policy %q and RateLimit %q, want %q and %q...", before, got.header.Get("RateLimit-Policy"),
			got.header.Get("RateLimit"), policy, state)
	}
	s.requireOnce(t, got)
}

// requireRefusal looks at the answer to a request that must not pass.
func (s *scene) requireRefusal(t *testing.T, i int, got reply) {
	t.Helper()
	if got.status != http.StatusTooManyRequests || got.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("request %d is answered %d with %q, want 429 with a problem", i, got.status, got.header.Get("Content-Type"))
	}
	retry := got.header.Get("Retry-After")
	if n, err := strconv.Atoi(retry); err != nil || n < 1 || n > 60 {
		t.Errorf("request %d is refused with Retry-After %q, want 1 to 60", i, retry)
	}
	if policy, state := got.header.Get("RateLimit-Policy"), got.header.Get("RateLimit"); policy != `"minute";q=10;w=60` || state != `"minute";r=0;t=`+retry {
		t.Errorf("request %d is refused with RateLimit-Policy %q and RateLimit %q, want nothing left for %s s", i, policy, state, retry)
	}
	var problem struct {
		Type, Title, Detail string
		Status              int
		Violated            []string `json:"violated-policies"`
	}
	if err := json.Unmarshal([]byte(got.body), &problem); err != nil {
		t.Fatalf("request %d is refused with the body %q: %v", i, got.body, err)
	}
	want := "no room for a cost of 1 under minute: try again in " + retry + " s"
	if s.ownWords {
		want = "try again in " + retry + " s"
	}
	if problem.Type != "https://iana.org/assignments/http-problem-types#quota-exceeded" || problem.Status != http.StatusTooManyRequests ||
		problem.Title == "" || problem.Detail != want || s.ownWords != (problem.Violated == nil) {
		t.Errorf("request %d is refused with the body %q, want quota-exceeded and %q", i, got.body, want)
	}
	s.requireOnce(t, got)
}

// requireOnce finds no field of Sluice twice, and none that is meant for the proxy.
func (s *scene) requireOnce(t *testing.T, got reply) {
	t.Helper()
	for name, values := range got.header {
		if len(values) > 1 {
			t.Errorf("an answer has the header %s %d times: %q", name, len(values), values)
		}
		if name == "X-Rl-Status" || strings.HasPrefix(name, "X-Accel-") {
			t.Errorf("an answer has the header %s, which is between Sluice and the proxy", name)
		}
	}
}

// forgeries are what a client might send to be counted as somebody else, to be refused by another status or to be let
// where it has no business.
var forgeries = []string{
	"X-Forwarded-For: 192.0.2.%d", "X-Real-IP: 192.0.2.%d", "Forwarded: for=192.0.2.%d;host=h%[1]d.example", "X-Client-IP: 192.0.2.%d",
	"X-Forwarded-Host: h%d.example", "X-Original-Host: h%d.example", "X-Forwarded-Method: M%d", "X-Original-Method: M%d",
	"X-Forwarded-Uri: /forged/%d", "X-Original-URI: /forged/%d", "X-Original-URL: http://h%d.example/forged", "X-Forwarded-Path: /forged/%d",
	"X-Envoy-Original-Path: /forged/%d", "X-Envoy-External-Address: 192.0.2.%d", "X-HTTP-Method-Override: M%d", "X-RL-Status: 20%d",
	"X-Accel-Redirect: @backend%d", "RateLimit: \"minute\";r=%d;t=1", "RateLimit-Policy: \"forged\";q=%d",
}

// TestProxiesTellTheTruth limits by all that a request is, and by none of what its client says that it is.
func TestProxiesTellTheTruth(t *testing.T) {
	each(t, proxies, func(t *testing.T, p proxy) {
		s := p.stage(t, [2]string{"key: ip", "key: [ip, method, path, header:Host]"})
		c := from("127.0.0.2")
		ask := func(i int) reply {
			forged := []string{"Host: api.example"}
			for _, f := range forgeries {
				if i%2 == 1 || i%len(forgeries) == len(forged)-1 { // all at once, or one alone
					forged = append(forged, fmt.Sprintf(f, i))
				}
			}
			query := fmt.Sprintf("?accel=@secret%d&deny_status=4%02d", i, i)
			return c.ask(t, http.MethodPut, s.url+"/things/a%20b"+query, "", forged...)
		}
		for i := range limit {
			s.requirePass(t, i, ask(i))
		}
		for i := range 2 * len(forgeries) {
			s.requireRefusal(t, i, ask(i))
		}
		// By this one a client might have the proxy take its own word back. It may refuse that altogether.
		hopByHop := c.ask(t, http.MethodPut, s.url+"/things/a%20b", "", "Host: api.example", "Connection: X-Forwarded-For, X-Forwarded-Uri, "+
			"X-Forwarded-Method, X-Forwarded-Host, X-Original-URI, X-Original-Method")
		if hopByHop.status != http.StatusBadRequest {
			s.requireRefusal(t, 0, hopByHop)
		}
		if seen := s.backend.take(); len(seen) != limit {
			t.Errorf("%d requests have reached the backend, want %d: what a client forges changes who is limited", len(seen), limit)
		}
		// Each of these differs in one thing from those that are refused.
		for name, other := range map[string]struct{ method, path, host string }{
			"method": {http.MethodDelete, "/things/a%20b", "api.example"},
			"path":   {http.MethodPut, "/things/a%20c", "api.example"},
			"host":   {http.MethodPut, "/things/a%20b", "b.api.example"},
		} {
			if got := c.ask(t, other.method, s.url+other.path, "", "Host: "+other.host); got.status != http.StatusOK {
				t.Errorf("another %s is answered %d %q, want that it has a limit of its own", name, got.status, got.body)
			}
		}
		s.requirePass(t, 0, from("127.0.0.3").ask(t, http.MethodPut, s.url+"/things/a%20b", "", "Host: api.example"))
	})
}

// TestNginxKeepsSluiceToItself asks, as a client, for what is between nginx and Sluice.
func TestNginxKeepsSluiceToItself(t *testing.T) {
	each(t, proxies[:2], func(t *testing.T, p proxy) {
		s := p.stage(t, [2]string{})
		c := from("127.0.0.2")
		for _, uri := range []string{"/_sluice", "/_sluice?accel=@backend", "/_sluice?deny_status=404", "/@backend", "/@sluice_gone_open"} {
			got := c.ask(t, http.MethodGet, s.url+uri, "")
			seen := s.backend.take()
			switch {
			case p.folder == "nginx" && strings.HasPrefix(uri, "/_sluice"):
				if got.status != http.StatusNotFound || len(seen) != 0 {
					t.Errorf("%s is answered %d, want that there is no such thing", uri, got.status)
				}
			case len(seen) != 1 || seen[0].uri != uri || got.header.Get("RateLimit") == "":
				t.Errorf("%s is answered %d and reaches the backend as %v, want what every path is", uri, got.status, seen)
			}
		}
	})
}

// TestProxiesWithSluiceGone ends Sluice, and starts it again.
func TestProxiesWithSluiceGone(t *testing.T) {
	each(t, proxies, func(t *testing.T, p proxy) {
		for _, closed := range []bool{false, true} {
			var change [2]string
			if closed {
				change = [2]string{p.open, p.closed}
			}
			t.Run(map[bool]string{false: "open", true: "closed"}[closed], func(t *testing.T) {
				t.Parallel()
				s := p.stage(t, change)
				c := from("127.0.0.2")
				s.requirePass(t, 0, c.ask(t, http.MethodGet, s.url+"/", ""))
				s.backend.take()
				s.sluice.Freeze(t)
				begun := time.Now()
				s.requireAlone(t, c, closed)
				if took := time.Since(begun); took > 5*p.patience { // far from for ever, on a busy machine
					t.Errorf("a request is answered %s after Sluice was frozen, want about %s", took, p.patience)
				}
				s.sluice.Kill()
				for range 2 * limit {
					s.requireAlone(t, c, closed)
				}
				s.sluice = serve(t, s.config)
				s.waitAsking(t)
				for i := range 2 * limit {
					if got := c.ask(t, http.MethodGet, s.url+"/", ""); i < limit {
						s.requirePass(t, i, got)
					} else {
						s.requireRefusal(t, i, got)
					}
				}
			})
		}
	})
}

// requireAlone asks while nobody answers the proxy.
func (s *scene) requireAlone(t *testing.T, c caller, closed bool) {
	t.Helper()
	got := c.ask(t, http.MethodPost, s.url+"/alone", "a body")
	seen := s.backend.take()
	if closed {
		if !slices.Contains(s.goneStatus, got.status) || len(seen) != 0 {
			t.Errorf("with Sluice gone, a request is answered %d, and %d have reached the backend; want one of %d and none", got.status, len(seen), s.goneStatus)
		}
		return
	}
	if got.status != http.StatusOK || got.body != greeting || len(seen) != 1 || seen[0].body != "a body" {
		t.Errorf("with Sluice gone, a request is answered %d %q, and %d have reached the backend; want that it passes whole", got.status, got.body, len(seen))
		return
	}
	for _, header := range []http.Header{got.header, seen[0].header} {
		if header["Ratelimit"] != nil || header["Ratelimit-Policy"] != nil {
			t.Errorf("with Sluice gone, there is RateLimit %q, want none", header["Ratelimit"])
		}
	}
}
