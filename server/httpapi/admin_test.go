package httpapi_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sluice-project/sluice/control"
	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/server/httpapi"
	"github.com/sluice-project/sluice/store/ledger"
	"github.com/sluice-project/sluice/store/memstore"
)

// Administration and own limits are for the operator of the machine; checks are for everybody.
func TestOnlyTheOperatorAdministers(t *testing.T) {
	t.Parallel()
	own := `{"limits":["5/s"],"key":"a"}`
	for _, test := range []struct {
		header string
		open   bool
	}{
		{"Host: 127.0.0.1:8080", true},
		{"Host: 127.8.9.1", true},
		{"Host: localhost:8080", true},
		{"Host: LOCALHOST", true},
		{"Host: [::1]:8080", true},
		{"Host: [::1]", true},
		{"Host: [::ffff:127.0.0.1]:8080", true},
		{"User-Agent: curl", true},
		{"Host: rebound.example:8080", false},
		{"Host: localhost.example", false},
		{"Host: 127.0.0.1.example", false},
		{"Host: 192.0.2.1:8080", false},
		{"Host: 0.0.0.0:8080", false},
		{"Host: ", false},
		{"Origin: http://page.example", false},
		{"Origin: null", false},
		{"Origin: http://127.0.0.1:8080", false},
		{"Forwarded: for=192.0.2.1", false},
		{"X-Forwarded-For: 192.0.2.1", false},
		{"X-Forwarded-Proto: https", false},
		{"X-Forwarded-Anything: ", false},
		{"Via: 1.1 proxy", false},
		{"X-Forwarded: for=192.0.2.1", false},
		{"X-Real-IP: 192.0.2.1", false},
		{"X-Original-Forwarded-For: 192.0.2.1", false},
		{"Sec-Fetch-Site: none", true},
		{"Sec-Fetch-Site: same-origin", true},
		{"Sec-Fetch-Site: cross-site", false},
		{"Sec-Fetch-Site: same-site", false},
	} {
		t.Run(test.header, func(t *testing.T) {
			t.Parallel()
			d := open(t, apiConfig)
			for _, call := range []struct{ method, target, body, kind string }{
				{"GET", "/metrics", "", "not-local"},
				{"GET", "/v1/policies", "", "not-local"},
				{"GET", "/v1/policies/api", "", "not-local"},
				{"GET", "/v1/policies/api/key?key=a", "", "not-local"},
				{"DELETE", "/v1/policies/api/key?key=a", "", "not-local"},
				{"PUT", "/v1/policies/api/key/block?key=a", `{"for_ms":1}`, "not-local"},
				{"DELETE", "/v1/policies/api/key/block?key=a", "", "not-local"},
				{"PUT", "/v1/policies/api/key/override?key=a", `{"limits":["5/s"]}`, "not-local"},
				{"DELETE", "/v1/policies/api/key/override?key=a", "", "not-local"},
				{"GET", "/v1/blocks?policy=api", "", "not-local"},
				{"GET", "/v1/overrides?policy=api", "", "not-local"},
				{"PUT", "/v1/policies/api", `{"limits":["5/s"]}`, "not-local"},
				{"POST", "/v1/policies/api/reset", "", "not-local"},
				{"PUT", "/v1/schedules/s", `{"cron":"@hourly","reset":{"policy":"api"}}`, "not-local"},
				{"GET", "/v1/schedules", "", "not-local"},
				{"GET", "/v1/schedules/s", "", "not-local"},
				{"POST", "/v1/schedules/s/run", "", "not-local"},
				{"GET", "/v1/schedules/s/history", "", "not-local"},
				{"DELETE", "/v1/schedules/s", "", "not-local"},
				{"GET", "/v1/audit", "", "not-local"},
				{"POST", "/v1/check", own, "inline-limits-refused"},
				{"DELETE", "/v1/policies/once", "", "not-local"},
				{"PUT", "/v1/policies", `{"policies":{"api":{"limits":["5/s"]}},"schedules":{}}`, "not-local"},
			} {
				w := d.send(call.method, call.target, call.body, test.header, "Content-Type: application/json")
				switch {
				case test.open && w.Code >= 300:
					t.Errorf("%s %s is answered %d %s, want it open", call.method, call.target, w.Code, w.Body)
				case !test.open && (w.Code != http.StatusForbidden || kind(d.problem(w)) != call.kind):
					t.Errorf("%s %s is answered %d %s, want 403 %s", call.method, call.target, w.Code, w.Body, call.kind)
				}
			}
			for _, target := range []string{"/healthz", "/readyz"} {
				if w := d.send("GET", target, "", test.header); w.Code != 200 {
					t.Errorf("%s is answered %d, want 200", target, w.Code)
				}
			}
			if w := d.send("POST", "/v1/check", `{"policy":"api","key":"a"}`, test.header, "Content-Type: application/json"); w.Code != 200 {
				t.Errorf("a check is answered %d %s, want 200", w.Code, w.Body)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	calls := []string{"/v1/check", "/v1/checks", "/v1/authorize/ip", "/v1/policies", "/metrics", "/healthz", "/readyz"}
	for _, test := range []struct {
		name    string
		address httpapi.Address
		served  []string
	}{
		{"all", everything, calls},
		{"checks", httpapi.Address{Checks: true}, []string{"/v1/check", "/v1/checks", "/v1/authorize/ip", "/healthz", "/readyz"}},
		{"administration", httpapi.Address{Admin: true, Loopback: true}, []string{"/v1/policies", "/metrics", "/healthz", "/readyz"}},
	} {
		d := open(t, authorizeConfig)
		d.handler = d.api.Handler(test.address)
		for _, target := range calls {
			w := d.send("GET", target, "")
			served := w.Code != http.StatusNotFound
			if want := strings.Contains(strings.Join(test.served, " "), target); served != want {
				t.Errorf("%s: GET %s is answered %d, served = %v, want %v", test.name, target, w.Code, served, want)
			}
		}
	}
}

func TestInlineLimitsFromElsewhere(t *testing.T) {
	t.Parallel()
	own := `{"limits":["5/s"],"key":"a"}`
	d := open(t, apiConfig)
	d.handler = d.api.Handler(httpapi.Address{Checks: true})
	w := d.send("POST", "/v1/check", own)
	if p := d.problem(w); w.Code != 403 || kind(p) != "inline-limits-refused" || !strings.Contains(p.Detail, "allow_inline_limits: true") {
		t.Errorf("own limits from another machine are answered %d %s, want 403 that names the setting", w.Code, w.Body)
	}
	d.api.Configure(httpapi.Options{AllowInlineLimits: true})
	if w := d.send("POST", "/v1/check", own, "Host: sluice.example", "Via: 1.1 proxy"); w.Code != 200 {
		t.Errorf("own limits with allow_inline_limits are answered %d %s, want 200", w.Code, w.Body)
	}
}

func TestUnknownCallsAndMethods(t *testing.T) {
	t.Parallel()
	d := open(t, apiConfig)
	for _, target := range []string{
		"/", "/v1", "/v1/check/", "/v2/check", "/v1/policies/", "/v1/policies/api/", "/v1/policies/api/key/x", "/v1/authorize", "//v1/check",
		"/v1/policies/{name}/x", "/v1/policies/api%2Fkey?key=a", "/v1/policies/api/key%2Fblock?key=a", "/v1/policies//key/", "/v1//api", "/v1/keys/api",
		"/v1/schedules/a/b", "/v1/audit/x", "/v1/blocks/",
	} {
		w := d.send("GET", "http://127.0.0.1"+target, "")
		if want := map[bool]string{true: "unknown-policy", false: "not-found"}[target == "/v1/policies/"]; w.Code != 404 || kind(d.problem(w)) != want {
			t.Errorf("GET %s is answered %d %s, want 404 %s", target, w.Code, w.Body, want)
		}
	}
	for _, test := range []struct{ method, target, allow string }{
		{"GET", "/v1/check", "POST"},
		{"PUT", "/v1/checks", "POST"},
		{"POST", "/v1/policies", "GET, HEAD, PUT"},
		{"POST", "/v1/policies/api", "GET, HEAD, PUT, DELETE"},
		{"GET", "/v1/policies/api/reset", "POST"},
		{"POST", "/v1/policies/api/key?key=a", "GET, HEAD, DELETE"},
		{"GET", "/v1/policies/api/key/block?key=a", "PUT, DELETE"},
		{"POST", "/v1/policies/api/key/override?key=a", "PUT, DELETE"},
		{"DELETE", "/v1/blocks", "GET, HEAD"},
		{"PUT", "/v1/overrides", "GET, HEAD"},
		{"PUT", "/v1/schedules", "GET, HEAD"},
		{"PATCH", "/v1/schedules/s", "GET, HEAD, PUT, DELETE"},
		{"GET", "/v1/schedules/s/run", "POST"},
		{"DELETE", "/v1/schedules/s/history", "GET, HEAD"},
		{"POST", "/v1/audit", "GET, HEAD"},
		{"OPTIONS", "/metrics", "GET, HEAD"},
		{"POST", "/healthz", "GET, HEAD"},
		{"DELETE", "/readyz", "GET, HEAD"},
	} {
		w := d.send(test.method, test.target, "")
		if w.Code != 405 || kind(d.problem(w)) != "method-not-allowed" || w.Header().Get("Allow") != test.allow {
			t.Errorf("%s %s is answered %d, Allow %q, want 405, Allow %q", test.method, test.target, w.Code, w.Header().Get("Allow"), test.allow)
		}
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	d := open(t, apiConfig)
	d.send("POST", "/v1/check", `{"policy":"once","key":"a b"}`)
	for range 2 { // to look takes nothing
		for target, allowed := range map[string]bool{
			"/v1/policies/once/key?key=a%20b":             false,
			"/v1/policies/once/key?key=a+b&cost=0":        true,
			"/v1/policies/once/key?key_base64=YSBi":       false,
			"/v1/policies/once/key?key=c":                 true,
			"/v1/policies/once/key?key=c&cost=2":          false,
			"/v1/policies/once/key?key_base64=_w":         true,
			"/v1/policies/once/key?key_base64=%2Fw%3D%3D": true,
		} {
			w := d.send("GET", target, "")
			var got httpapi.Decision
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || got.Allowed != allowed || len(got.Limits) != 1 {
				t.Errorf("GET %s is answered %d %s, want allowed = %v and one limit", target, w.Code, w.Body, allowed)
			}
		}
	}
	if w := d.send("DELETE", "/v1/policies/once/key?key=a%20b", ""); w.Code != 204 || w.Body.Len() > 0 {
		t.Errorf("DELETE is answered %d %s, want 204", w.Code, w.Body)
	}
	if got := d.remaining("once", "a b"); got != 1 {
		t.Errorf("remaining = %d after the reset, want 1", got)
	}
}

func TestKeyMistakes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ target, kind, field string }{
		{"once/key", "invalid-value", "key"},
		{"once/key?key=", "invalid-value", "key"},
		{"once/key?key=" + strings.Repeat("a", 4097), "invalid-value", "key"},
		{"once/key?key=alice&key=bob", "invalid-value", "key"},
		{"once/key?key=alice&key_base64=YQ", "invalid-value", "key_base64"},
		{"once/key?key_base64=*", "invalid-value", "key_base64"},
		{"once/key?key=alice&cost=1.5", "invalid-value", "cost"},
		{"once/key?key=alice&cost=-1", "invalid-value", "cost"},
		{"once/key?key=alice&kost=1", "invalid-value", "kost"},
		{"once/key?key=%zz", "invalid-value", ""},
		{"once/key?key=alice;cost=1", "invalid-value", ""},
		{"once/key?policy=once&key=alice", "invalid-value", "policy"},
		{"onse/key?key=alice", "unknown-policy", "policy"},
	} {
		d := open(t, apiConfig)
		p := d.problem(d.send("GET", "/v1/policies/"+test.target, ""))
		if kind(p) != test.kind || p.Field != test.field {
			t.Errorf("GET %.40s is answered %s of field %q (%s), want %s of %q", test.target, kind(p), p.Field, p.Detail, test.kind, test.field)
		}
		if got := d.remaining("once", "alice"); got != 1 {
			t.Errorf("remaining = %d after GET %.40s, want 1", got, test.target)
		}
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	get := func(h http.Handler, target string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		return w.Code, w.Body.String()
	}
	want := func(what string, h http.Handler, status int, part string) {
		t.Helper()
		if code, body := get(h, "/readyz"); code != status || !strings.Contains(body, part) {
			t.Errorf("readyz %s is %d %s, want %d with %s", what, code, body, status, part)
		}
		if code, _ := get(h, "/healthz"); code != 200 {
			t.Errorf("healthz %s is %d, want 200", what, code)
		}
	}
	unloaded := httpapi.New(engine.New(store, engine.Config{}), control.New(ledger.NewMemory(nil), store, control.Config{}), nil, httpapi.Options{})
	want("before the first load", unloaded.Handler(everything), 503, "not loaded")

	good := open(t, apiConfig)
	want("when all is well", good.handler, 200, `{"status":"ok"}`)

	bad := openTo(t, failing{errors.New("redis: gone")}, apiConfig)
	want("before anybody asked", bad.handler, 200, `{"status":"ok"}`)
	bad.send("POST", "/v1/check", `{"policy":"api","key":"a"}`)
	want("without a store", bad.handler, 200, `{"status":"degraded","reason":"the store does not answer, each policy's on_error decides: redis: gone"}`)
	bad.api.Configure(httpapi.Options{ReadyRequiresStore: true})
	want("without a store that it requires", bad.handler, 503, "redis: gone")

	good.api.Drain()
	want("while draining", good.handler, 503, "stopping")
	for _, target := range []string{"/v1/check", "/v1/checks", "/v1/authorize/api"} {
		w := good.send("POST", target, `{"policy":"once","key":"alice"}`)
		if w.Code != 503 || kind(good.problem(w)) != "draining" || w.Header().Get("Connection") != "close" {
			t.Errorf("POST %s while draining is answered %d %s, want 503 draining", target, w.Code, w.Body)
		}
	}
	if got := good.remaining("once", "alice"); got != 1 {
		t.Errorf("remaining = %d after a check while draining, want 1", got)
	}
}
