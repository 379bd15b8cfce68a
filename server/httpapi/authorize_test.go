package httpapi_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-project/sluice"
)

const authorizeConfig = `
trusted_proxies: [10.0.0.0/8]
policies:
  ip: {key: ip, limits: [1/h]}
  header: {key: header:X-API-Key, limits: [1/h]}
  optional: {key: header:X-API-Key, missing: allow, limits: [1/h]}
  cookie: {key: cookie:session, limits: [1/h]}
  path: {key: path, limits: [1/h]}
  method: {key: method, limits: [1/h]}
  host: {key: header:Host, limits: [1/h]}
  both: {key: [header:A, header:B], limits: [1/h]}
  shadow: {key: header:A, limits: [1/h], shadow: true}
  keyless: {limits: [1/h]}
  closed: {key: ip, limits: [1/h], on_error: deny}
`

func TestAuthorizeAnswersByStatus(t *testing.T) {
	t.Parallel()
	d := open(t, authorizeConfig)
	for i, method := range []string{"GET", "DELETE"} { // any method will do
		w := d.send(method, "/v1/authorize/ip", "")
		if want := []int{200, 429}[i]; w.Code != want {
			t.Fatalf("request %d is answered %d, want %d", i, w.Code, want)
		}
		if got, want := w.Header().Get("RateLimit-Policy"), `"hour";q=1;w=3600`; got != want {
			t.Errorf("RateLimit-Policy of request %d = %q, want %q", i, got, want)
		}
		if got, want := w.Header().Get("RateLimit"), `"hour";r=0;t=3600`; got != want {
			t.Errorf("RateLimit of request %d = %q, want %q", i, got, want)
		}
		if i == 0 {
			if w.Body.Len() != 0 || w.Header().Get("Retry-After") != "" {
				t.Errorf("an allowed request has the body %q and Retry-After %q, want neither", w.Body, w.Header().Get("Retry-After"))
			}
			continue
		}
		if got := w.Header().Get("Retry-After"); got != "3600" {
			t.Errorf("Retry-After = %q, want 3600", got)
		}
		p := d.problem(w)
		if kind(p) != "quota-exceeded" || len(p.ViolatedPolicies) != 1 || p.ViolatedPolicies[0] != "hour" {
			t.Errorf("the refusal is %s, want quota-exceeded that hour violates", w.Body)
		}
	}
}

func TestDenyStatus(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]int{
		"": 429, "?deny_status=403": 403, "?deny_status=401": 401, "?deny_status=499&x=y": 499,
		"?deny_status=200": 400, "?deny_status=500": 400, "?deny_status=forbidden": 400, "?deny_status=": 400, "?deny_status=403&deny_status=404": 400,
		// Behind the path of a client is the client's query.
		"/?deny_status=403": 429, "/a?deny_status=403": 429, "/a?deny_status=x": 429,
	} {
		d := open(t, authorizeConfig)
		if w := d.send("GET", "/v1/authorize/ip"+given, ""); want != 400 && (w.Code != 200 || w.Header().Get("X-RL-Status") != "") {
			t.Errorf("the first request with %q is answered %d, X-RL-Status %q, want 200 and none", given, w.Code, w.Header().Get("X-RL-Status"))
		}
		told := "429"
		if want == 400 || want == 429 {
			told = ""
		}
		for _, policy := range []string{"ip", "header"} { // one refuses for its limit, one for a key that is missing
			w := d.send("GET", "/v1/authorize/"+policy+given, "")
			if p := d.problem(w); w.Code != want || want == 400 && p.Field != "deny_status" {
				t.Errorf("a refusal by %s with %q is answered %d %s, want %d", policy, given, w.Code, w.Body, want)
			}
			if got := w.Header().Get("X-RL-Status"); got != told {
				t.Errorf("a refusal by %s with %q has the X-RL-Status %q, want %q", policy, given, got, told)
			}
		}
	}
}

// X-Accel-Redirect says where nginx goes on, so it is what the configuration of nginx asks for, or nothing.
func TestAccel(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		query  string
		status int    // of a request that may pass
		sent   string // X-Accel-Redirect
	}{
		{"?accel=@backend", 200, "@backend"},
		{"?accel=%40Back-end_2", 200, "@Back-end_2"},
		{"?deny_status=403&accel=@backend", 200, "@backend"},
		{"?accel=@backend&deny_status=403", 200, "@backend"},
		{"", 200, ""},
		{"?x=y", 200, ""},

		// No file and no location that a path leads to.
		{"?accel=", 400, ""},
		{"?accel=@", 400, ""},
		{"?accel=backend", 400, ""},
		{"?accel=/etc/passwd", 400, ""},
		{"?accel=/internal/", 400, ""},
		{"?accel=@a/b", 400, ""},
		{"?accel=@a%0d%0aX-Accel-Limit-Rate:1", 400, ""},
		{"?accel=@" + strings.Repeat("a", 65), 400, ""},

		// Nor one that a client can have chosen: what a proxy appends to its own query shows.
		{"?accel=@backend&accel=@secret", 400, ""},
		{"?accel=@backend&x=y", 400, ""},
		{"?x=y&accel=@secret", 400, ""},
		{"?accel=@backend?accel=@secret", 400, ""},
		{"?accel=@backend;accel=@secret", 200, ""}, // which is no parameter at all
		{"?x;y&accel=@secret", 400, ""},
		{"?accel=@secret&", 400, ""},
		{"?accel=@secret&%zz", 400, ""},
		// Behind the path of a client is the client's query.
		{"/?accel=@secret", 200, ""},
		{"/a?accel=@secret&deny_status=403", 200, ""},
		{"/a?accel=@backend&accel=@secret", 200, ""},
	} {
		d := open(t, authorizeConfig)
		for _, policy := range []string{"ip", "optional", "shadow"} { // two of them have no key, and let pass
			w := d.send("GET", "/v1/authorize/"+policy+test.query, "")
			if got := w.Header().Get("X-Accel-Redirect"); w.Code != test.status || got != test.sent {
				t.Errorf("%s%s is answered %d, X-Accel-Redirect %q, want %d and %q", policy, test.query, w.Code, got, test.status, test.sent)
			}
			if test.status == 400 {
				if p := d.problem(w); kind(p) != "invalid-value" || p.Field != "accel" {
					t.Errorf("%s%s is answered %s, want invalid-value of accel", policy, test.query, w.Body)
				}
			}
		}
		if test.status == 400 {
			continue
		}
		w := d.send("GET", "/v1/authorize/ip"+test.query, "")
		want := 429
		if strings.Contains(test.query, "403") && test.sent != "" {
			want = 403
		}
		if got := w.Header().Get("X-Accel-Redirect"); w.Code != want || got != "" {
			t.Errorf("a refusal with %s is answered %d, X-Accel-Redirect %q, want %d and none", test.query, w.Code, got, want)
		}
	}
}

// Each of two requests is the first of its key, or the second is refused, as same says.
func TestAuthorizeKeys(t *testing.T) {
	t.Parallel()
	const proxy, stranger = "Peer: 10.1.2.3:5000", "Peer: 203.0.113.9:5000"
	type request struct {
		target  string
		headers []string
	}
	for _, test := range []struct {
		name string
		a, b request
		same bool
	}{
		{"address", request{"ip", []string{"Peer: 192.0.2.1:1"}}, request{"ip", []string{"Peer: 192.0.2.1:2"}}, true},
		{"another address", request{"ip", []string{"Peer: 192.0.2.1:1"}}, request{"ip", []string{"Peer: 192.0.2.2:1"}}, false},
		{"behind a proxy", request{"ip", []string{proxy, "X-Forwarded-For: 192.0.2.1"}}, request{"ip", []string{proxy, "X-Forwarded-For: 192.0.2.2"}}, false},
		{"what the client forged", request{"ip", []string{proxy, "X-Forwarded-For: 1.1.1.1, 192.0.2.1"}}, request{"ip", []string{proxy, "X-Forwarded-For: 2.2.2.2, 192.0.2.1"}}, true},
		{"a stranger's word", request{"ip", []string{stranger, "X-Forwarded-For: 192.0.2.1"}}, request{"ip", []string{stranger, "X-Forwarded-For: 192.0.2.2"}}, true},
		{"header", request{"header", []string{"X-API-Key: a"}}, request{"header", []string{"x-api-key: a"}}, true},
		{"another header", request{"header", []string{"X-API-Key: a"}}, request{"header", []string{"X-API-Key: b"}}, false},
		{"cookie", request{"cookie", []string{"Cookie: session=a; x=y"}}, request{"cookie", []string{"Cookie: session=a"}}, true},
		{"another cookie", request{"cookie", []string{"Cookie: session=a"}}, request{"cookie", []string{"Cookie: session=b"}}, false},
		{"policies apart", request{"header", []string{"X-API-Key: a"}}, request{"optional", []string{"X-API-Key: a"}}, false},
		{"joined without ambiguity", request{"both", []string{"A: x|y", "B: z"}}, request{"both", []string{"A: x", "B: y|z"}}, false},

		{"path appended", request{"path/a/b", nil}, request{"path/a/b?c=d", nil}, true},
		{"another path", request{"path/a/b", nil}, request{"path/a/c", nil}, false},
		{"double slash", request{"path/a//b", nil}, request{"path/a/b", nil}, false},
		{"dots", request{"path/a/../b", nil}, request{"path/b", nil}, false},
		{"trailing slash", request{"path/a/", nil}, request{"path/a", nil}, false},
		{"escaped", request{"path/%61", nil}, request{"path/a", nil}, true},
		{"no path", request{"path", nil}, request{"path/", nil}, true},
		{"path of the proxy", request{"path", []string{proxy, "X-Forwarded-Uri: /a?b=c"}}, request{"path/a", nil}, true},
		{"path of nginx", request{"path", []string{proxy, "X-Original-URI: /a"}}, request{"path", []string{proxy, "X-Forwarded-Uri: /a"}}, true},
		{"a whole URL", request{"path", []string{proxy, "X-Original-URI: https://example.com/a?b"}}, request{"path/a", nil}, true},
		{"a whole URL without a path", request{"path", []string{proxy, "X-Original-URI: https://example.com?b"}}, request{"path/", nil}, true},
		{"a whole URL that does not parse", request{"path", []string{proxy, "X-Original-URI: https://example.com/a%zz?b"}}, request{"path", []string{proxy, "X-Original-URI: /a%zz"}}, true},
		{"a fragment", request{"path", []string{proxy, "X-Forwarded-Uri: /login#%zz1"}}, request{"path/login", nil}, true},
		{"a query that does not parse", request{"path", []string{proxy, "X-Forwarded-Uri: /login?%zz"}}, request{"path/login", nil}, true},
		{"a path that does not parse", request{"path", []string{proxy, "X-Forwarded-Uri: /login%zz?a=1"}}, request{"path", []string{proxy, "X-Forwarded-Uri: /login%zz?a=2"}}, true},
		{"a path that looks like a host", request{"path", []string{proxy, "X-Forwarded-Uri: //x/login"}}, request{"path/login", nil}, false},
		{"an escaped question mark", request{"path", []string{proxy, "X-Forwarded-Uri: /a%3Fb"}}, request{"path/a", nil}, false},
		{"an empty URI", request{"path/a", []string{proxy, "X-Forwarded-Uri: "}}, request{"path/a", nil}, true},
		{"an empty URI and no path", request{"path", []string{proxy, "X-Forwarded-Uri: "}}, request{"path/", nil}, true},
		{"no path but a query", request{"path", []string{proxy, "X-Forwarded-Uri: ?a"}}, request{"path/", nil}, true},
		{"a stranger's path", request{"path", []string{stranger, "X-Forwarded-Uri: /a"}}, request{"path", []string{stranger, "X-Forwarded-Uri: /b"}}, true},

		{"method", request{"method", nil}, request{"method", []string{"X-Forwarded-Method: POST"}}, true},
		{"method of the proxy", request{"method", []string{proxy}}, request{"method", []string{proxy, "X-Forwarded-Method: POST"}}, false},
		{"an empty method", request{"method", []string{proxy, "X-Forwarded-Method: "}}, request{"method", nil}, true},
		{"path of ingress-nginx", request{"path", []string{proxy, "X-Original-URL: https://a.example/a?b"}}, request{"path/a", nil}, true},
		{"a stranger's URL", request{"path", []string{stranger, "X-Original-URL: https://a.example/a"}}, request{"path", []string{stranger, "X-Original-URL: https://a.example/b"}}, true},

		{"host", request{"host", []string{"Host: a.example"}}, request{"host", []string{"Host: A.example.:8080"}}, true},
		{"another host", request{"host", []string{"Host: a.example"}}, request{"host", []string{"Host: b.example"}}, false},
		{"host of the proxy", request{"host", []string{proxy, "X-Forwarded-Host: a.example"}}, request{"host", []string{"Host: a.example"}}, true},
		{"another host of the proxy", request{"host", []string{proxy, "X-Forwarded-Host: a.example"}}, request{"host", []string{proxy, "X-Original-Host: b.example"}}, false},
		{"hosts of several proxies", request{"host", []string{proxy, "X-Forwarded-Host: forged, a.example"}}, request{"host", []string{"Host: a.example"}}, true},
		{"an empty host", request{"host", []string{proxy, "Host: a.example", "X-Forwarded-Host: "}}, request{"host", []string{"Host: a.example"}}, true},
		{"a stranger's host", request{"host", []string{stranger, "X-Forwarded-Host: a.example"}}, request{"host", []string{stranger, "X-Forwarded-Host: b.example"}}, true},
		{"host by number", request{"host", []string{"Host: [2001:db8::1]:80"}}, request{"host", []string{"Host: [2001:DB8::1]"}}, true},

		{"method of ingress-nginx", request{"method", []string{proxy, "X-Original-Method: POST"}}, request{"method", []string{proxy, "X-Forwarded-Method: POST"}}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := open(t, authorizeConfig)
			if w := d.send("GET", "/v1/authorize/"+test.a.target, "", test.a.headers...); w.Code != 200 {
				t.Fatalf("the first request is answered %d %s, want 200", w.Code, w.Body)
			}
			want := 200
			if test.same {
				want = 429
			}
			w := d.send("GET", "/v1/authorize/"+test.b.target, "", test.b.headers...)
			if w.Code != want {
				t.Errorf("the second request is answered %d, want %d: same key = %v", w.Code, want, test.same)
			}
		})
	}
}

// Where the client can have written one of the headers itself, it must not choose who it is.
func TestConflictingSources(t *testing.T) {
	t.Parallel()
	const proxy = "Peer: 10.1.2.3:5000"
	for _, test := range []struct {
		target  string
		headers []string
	}{
		{"path", []string{proxy, "X-Original-URI: /a", "X-Forwarded-Uri: /b"}},
		{"path", []string{proxy, "X-Forwarded-Uri: /a", "X-Forwarded-Uri: /b"}},
		{"path/a", []string{proxy, "X-Forwarded-Uri: /b"}},
		{"path/", []string{proxy, "X-Forwarded-Uri: /b"}},
		{"path", []string{proxy, "X-Forwarded-Uri: /a", "X-Original-URL: https://a.example/b"}},
		{"host", []string{proxy, "X-Forwarded-Host: a.example", "X-Original-Host: b.example"}},
		{"host", []string{proxy, "X-Forwarded-Host: a.example", "X-Forwarded-Host: b.example"}},
		{"method", []string{proxy, "X-Forwarded-Method: GET", "X-Original-Method: POST"}},
	} {
		d := open(t, authorizeConfig)
		w := d.send("GET", "/v1/authorize/"+test.target, "", test.headers...)
		if w.Code != 400 || kind(d.problem(w)) != "conflicting-source" {
			t.Errorf("%s with %q is answered %d %s, want 400 conflicting-source", test.target, test.headers, w.Code, w.Body)
		}
	}
}

func TestAuthorizeWithoutKey(t *testing.T) {
	t.Parallel()
	d := open(t, authorizeConfig)
	for _, test := range []struct {
		policy string
		status int
		kind   string // "" for no body
	}{
		{"header", 429, "key-missing"},
		{"cookie", 429, "key-missing"},
		{"both", 429, "key-missing"},
		{"optional", 200, ""},
		{"shadow", 200, ""},
		{"host", 429, "key-missing"},
		{"keyless", 404, "policy-without-key"},
		{"unknown", 404, "unknown-policy"},
		{"", 404, "unknown-policy"},
	} {
		w := d.send("GET", "/v1/authorize/"+test.policy, "", "X-API-Key: ", "Host: ")
		if w.Code != test.status || test.kind == "" && w.Body.Len() > 0 || test.kind != "" && kind(d.problem(w)) != test.kind {
			t.Errorf("policy %q is answered %d %s, want %d %s", test.policy, w.Code, w.Body, test.status, test.kind)
		}
		if got := w.Header().Get("RateLimit"); got != "" {
			t.Errorf("policy %q: RateLimit = %q without a decision, want none", test.policy, got)
		}
	}
}

// A key that is too long is limited all the same, under its hash.
func TestAuthorizeLongKey(t *testing.T) {
	t.Parallel()
	d := open(t, authorizeConfig)
	long := strings.Repeat("a", 5000)
	for i, want := range []int{200, 429} {
		if w := d.send("GET", "/v1/authorize/header", "", "X-API-Key: "+long); w.Code != want {
			t.Errorf("request %d with a key of 5000 bytes is answered %d %s, want %d", i, w.Code, w.Body, want)
		}
	}
	if w := d.send("GET", "/v1/authorize/header", "", "X-API-Key: "+long+"b"); w.Code != 200 {
		t.Errorf("another key of 5001 bytes is answered %d, want 200", w.Code)
	}
}

func TestAuthorizeBlockedKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := open(t, authorizeConfig+"  lenient: {key: ip, limits: [1/h], shadow: true}\n")
		for _, policy := range []string{"ip", "lenient"} {
			if w := d.send("PUT", "/v1/policies/"+policy+"/key/block?key=127.0.0.1", `{"for_ms":7200000,"reason":"abuse"}`); w.Code != 200 {
				t.Fatalf("the block is answered %d %s, want 200", w.Code, w.Body)
			}
		}
		for _, test := range []struct {
			target string
			status int
			retry  string
		}{{"ip", 429, "7200"}, {"ip?deny_status=403", 403, "7200"}, {"lenient", 200, ""}} {
			w := d.send("GET", "/v1/authorize/"+test.target, "")
			if got := w.Header().Get("Retry-After"); w.Code != test.status || got != test.retry {
				t.Errorf("%s is answered %d, Retry-After %q, want %d and %q", test.target, w.Code, got, test.status, test.retry)
			}
			if got := w.Header().Get("RateLimit"); got != `"hour";r=0;t=7200` {
				t.Errorf("%s: RateLimit = %q, want nothing left for two hours", test.target, got)
			}
			if test.status == 200 {
				continue
			}
			p := d.problem(w)
			if want := "blocked until 2000-01-01T02:00:00Z (abuse): try again in 7200 s"; kind(p) != "abnormal-usage-detected" || p.Detail != want {
				t.Errorf("%s: the refusal is %s %q, want abnormal-usage-detected %q", test.target, kind(p), p.Detail, want)
			}
		}
		time.Sleep(2 * time.Hour)
		if w := d.send("GET", "/v1/authorize/ip", ""); w.Code != 200 {
			t.Errorf("after Retry-After the key is answered %d %s, want 200: nothing was charged", w.Code, w.Body)
		}
	})
}

func TestAuthorizeWithoutStore(t *testing.T) {
	t.Parallel()
	d := openTo(t, failing{errors.New("redis: gone")}, authorizeConfig)
	for policy, want := range map[string]int{"ip": 200, "closed": 429} {
		w := d.send("GET", "/v1/authorize/"+policy, "")
		if w.Code != want || want == 429 && kind(d.problem(w)) != "undecided" {
			t.Errorf("policy %s without a store is answered %d %s, want %d", policy, w.Code, w.Body, want)
		}
	}
	if w := d.send("GET", "/v1/authorize/closed?deny_status=403", ""); w.Code != 403 {
		t.Errorf("deny_status=403 without a store is answered %d, want 403", w.Code)
	}
}

// TestAuthorizeSaysItsSource has a proxy told who has decided.
func TestAuthorizeSaysItsSource(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]door{
		"store":        open(t, authorizeConfig),
		"error-policy": openTo(t, failing{fmt.Errorf("redis: %w", sluice.ErrNotSent)}, authorizeConfig),
	} {
		if w := d.send("GET", "/v1/authorize/ip", ""); w.Header().Get("X-RL-Source") != want {
			t.Errorf("X-RL-Source = %q, want %q", w.Header().Get("X-RL-Source"), want)
		}
	}
}
