package httpapi_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-project/sluice/server/access"
	"github.com/sluice-project/sluice/server/httpapi"
)

const guardedPolicies = "policies: {api: {limits: [100/h], key: ip}}\n"

// openGuarded returns a door with a token for each role: checker-token, reader-token and admin-token.
func openGuarded(t *testing.T, address httpapi.Address, options httpapi.Options) door {
	t.Helper()
	d := open(t, guardedPolicies)
	path := filepath.Join(t.TempDir(), "tokens")
	lines := access.Line("checker", access.Check, "checker-token") + "\n" + access.Line("reader", access.Read, "reader-token") + "\n" +
		access.Line("ops", access.Admin, "admin-token") + "\n"
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	book, err := access.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	d.api.Guard(book)
	d.api.Configure(options)
	d.handler = d.api.Handler(address)
	return d
}

// TestRoles asks every call of the door for every role: what needs one is answered 401 without a token, 403 with one that has
// too little, and else in some other way.
func TestRoles(t *testing.T) {
	t.Parallel()
	const inline = `{"limits":["1/h"],"key":"k"}`
	for _, call := range []struct {
		method, path, body string
		need               access.Role
	}{
		{"POST", "/v1/check", `{"policy":"api","key":"k"}`, access.Nobody},
		{"POST", "/v1/checks", `{"checks":[]}`, access.Nobody},
		{"GET", "/v1/authorize/api", "", access.Nobody},
		{"GET", "/healthz", "", access.Nobody},
		{"GET", "/readyz", "", access.Nobody},
		{"GET", "/metrics", "", access.Read},
		{"HEAD", "/metrics", "", access.Read},
		{"GET", "/v1/policies", "", access.Read},
		{"PUT", "/v1/policies", `{"policies":{},"schedules":{}}`, access.Admin},
		{"GET", "/v1/policies/api", "", access.Read},
		{"PUT", "/v1/policies/api", `{"limits":["1/h"]}`, access.Admin},
		{"DELETE", "/v1/policies/none", "", access.Admin},
		{"POST", "/v1/policies/api/reset", "", access.Admin},
		{"GET", "/v1/policies/api/key?key=k", "", access.Read},
		{"DELETE", "/v1/policies/api/key?key=k", "", access.Admin},
		{"PUT", "/v1/policies/api/key/block?key=k", `{"for_ms":1000}`, access.Admin},
		{"DELETE", "/v1/policies/api/key/block?key=k", "", access.Admin},
		{"PUT", "/v1/policies/api/key/override?key=k", `{"limits":["1/h"]}`, access.Admin},
		{"DELETE", "/v1/policies/api/key/override?key=k", "", access.Admin},
		{"GET", "/v1/blocks?policy=api", "", access.Read},
		{"GET", "/v1/overrides?policy=api", "", access.Read},
		{"GET", "/v1/schedules", "", access.Read},
		{"GET", "/v1/schedules/x", "", access.Read},
		{"PUT", "/v1/schedules/x", `{}`, access.Admin},
		{"DELETE", "/v1/schedules/x", "", access.Admin},
		{"POST", "/v1/schedules/x/run", "", access.Admin},
		{"GET", "/v1/schedules/x/history", "", access.Read},
		{"GET", "/v1/audit", "", access.Read},
		{"PATCH", "/v1/audit", "", access.Admin},
	} {
		d := openGuarded(t, everything, httpapi.Options{})
		for token, has := range map[string]access.Role{
			"": access.Nobody, "checker-token": access.Check, "reader-token": access.Read, "admin-token": access.Admin,
		} {
			var headers []string
			if token != "" {
				headers = []string{"Authorization: Bearer " + token}
			}
			w := d.send(call.method, call.path, call.body, headers...)
			switch {
			case has.Includes(call.need):
				if w.Code == http.StatusUnauthorized || w.Code == http.StatusForbidden {
					t.Errorf("%s %s with the role %s: %d %s", call.method, call.path, has, w.Code, w.Body)
				}
			case token == "":
				if p := d.problem(w); kind(p) != "unauthenticated" || w.Code != 401 || w.Header().Get("WWW-Authenticate") != `Bearer realm="sluice"` || !strings.Contains(p.Detail, call.need.String()) {
					t.Errorf("%s %s without a token: %d %s", call.method, call.path, w.Code, w.Body)
				}
			default:
				if p := d.problem(w); kind(p) != "role-missing" || w.Code != 403 || !strings.Contains(p.Detail, call.need.String()) {
					t.Errorf("%s %s with the role %s: %d %s", call.method, call.path, has, w.Code, w.Body)
				}
			}
		}
		if call.need == access.Nobody {
			if w := d.send(call.method, call.path, call.body, "Authorization: Bearer of-somebody-else"); w.Code == 401 {
				t.Errorf("%s %s with a token of somebody else: %d", call.method, call.path, w.Code)
			}
			continue
		}
		if p := d.problem(d.send(call.method, call.path, call.body, "Authorization: Bearer admin-tokem")); kind(p) != "unauthenticated" || strings.Contains(p.Detail, "admin-tokem") {
			t.Errorf("%s %s with a wrong token: %+v", call.method, call.path, p)
		}
	}

	d := openGuarded(t, everything, httpapi.Options{ChecksNeedToken: true})
	for _, call := range []string{"/v1/check", "/v1/checks", "/v1/authorize/api", "/json"} {
		if w := d.send("POST", call, `{"policy":"api","key":"k"}`); w.Code != 401 {
			t.Errorf("%s without a token where checks need one: %d %s", call, w.Code, w.Body)
		}
		if w := d.send("POST", call, `{"policy":"api","key":"k"}`, "Sluice-Token: checker-token", "Authorization: Bearer of-the-client"); w.Code == 401 {
			t.Errorf("%s with a token where checks need one: %d %s", call, w.Code, w.Body)
		}
	}

	d = openGuarded(t, everything, httpapi.Options{})
	if p := d.problem(d.send("POST", "/v1/check", inline)); kind(p) != "inline-limits-refused" {
		t.Errorf("limits of a caller without a token: %+v", p)
	}
	if p := d.problem(d.send("POST", "/v1/check", inline, "Authorization: Bearer wrong")); kind(p) != "unauthenticated" {
		t.Errorf("limits of a caller with a wrong token: %+v", p)
	}
	if w := d.send("POST", "/v1/check", inline, "Authorization: bearer checker-token"); w.Code != 200 {
		t.Errorf("limits of a caller with the role check: %d %s", w.Code, w.Body)
	}
}

// TestTokensFromAnywhere shows that whoever has a token administers from other machines, too, and by a proxy.
func TestTokensFromAnywhere(t *testing.T) {
	t.Parallel()
	d := openGuarded(t, httpapi.Address{Checks: true, Admin: true}, httpapi.Options{})
	if w := d.send("GET", "/v1/policies", "", "Authorization: Bearer reader-token", "Host: sluice.example", "Peer: 192.0.2.1:999", "Forwarded: for=x"); w.Code != 200 {
		t.Errorf("a look with a token from elsewhere: %d %s", w.Code, w.Body)
	}
	if w := d.send("GET", "/v1/policies", "", "Authorization: Basic reader-token"); w.Code != 401 {
		t.Errorf("a look with another scheme: %d %s", w.Code, w.Body)
	}
}

// TestAuditNamesTheToken shows who it was in the audit log.
func TestAuditNamesTheToken(t *testing.T) {
	t.Parallel()
	d := openGuarded(t, everything, httpapi.Options{})
	for _, call := range []struct{ method, path, body string }{
		{"PUT", "/v1/policies/other", `{"limits":["1/h"]}`},
		{"POST", "/v1/policies/other/reset", ""},
		{"DELETE", "/v1/policies/other", ""},
		{"PUT", "/v1/policies/api/key/block?key=k", `{"for_ms":1000}`},
		{"DELETE", "/v1/policies/api/key/block?key=k", ""},
		{"PUT", "/v1/policies/api/key/override?key=k", `{"limits":["1/h"]}`},
		{"DELETE", "/v1/policies/api/key/override?key=k", ""},
		{"DELETE", "/v1/policies/api/key?key=k", ""},
		{"PUT", "/v1/policies", `{"policies":{},"schedules":{}}`},
	} {
		if w := d.send(call.method, call.path, call.body, "Authorization: Bearer admin-token"); w.Code >= 300 {
			t.Fatalf("%s %s: %d %s", call.method, call.path, w.Code, w.Body)
		}
	}
	log := d.send("GET", "/v1/audit", "", "Authorization: Bearer reader-token").Body.String()
	if n := strings.Count(log, `"who":"ops"`); n < 9 || strings.Contains(log, `"operator"`) {
		t.Errorf("the audit log names ops %d times, want 9 and nobody else: %s", n, log)
	}
}

// TestCertificates gives the holder of a certificate the role of the address, and a token's where he shows one; a page in a
// browser has the certificate of whoever sits before it, and is nobody.
func TestCertificates(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		address  httpapi.Address
		tokens   bool
		verified bool
		method   string
		headers  []string
		want     int
	}{
		{"an administrator", httpapi.Address{Admin: true, Certified: access.Admin}, false, true, "DELETE", nil, 204},
		{"one beside tokens", httpapi.Address{Admin: true, Certified: access.Admin}, true, true, "DELETE", nil, 204},
		{"who shows a token that may less", httpapi.Address{Admin: true, Certified: access.Admin}, true, true, "DELETE", []string{"Authorization: Bearer reader-token"}, 403},
		{"one that is not verified", httpapi.Address{Admin: true, Certified: access.Admin}, false, false, "DELETE", nil, 401},
		{"a page in a browser", httpapi.Address{Admin: true, Certified: access.Admin}, false, true, "DELETE", []string{"Origin: https://evil.example"}, 401},
		{"a page of another site", httpapi.Address{Admin: true, Certified: access.Admin}, false, true, "DELETE", []string{"Sec-Fetch-Site: cross-site"}, 401},
		{"a client of the door for checks", httpapi.Address{Checks: true, Admin: true, Certified: access.Check}, true, true, "DELETE", nil, 403},
		{"a client that brings limits", httpapi.Address{Checks: true, Certified: access.Check}, true, true, "POST", nil, 200},
		{"a client that passes on a token of somebody else", httpapi.Address{Checks: true, Certified: access.Check}, true, true, "POST", []string{"Authorization: Bearer of-the-client"}, 200},
		{"one that is not verified and does", httpapi.Address{Checks: true, Certified: access.Check}, true, false, "POST", []string{"Authorization: Bearer of-the-client"}, 401},
		{"a client that shows a wrong token itself", httpapi.Address{Checks: true, Certified: access.Check}, true, true, "POST", []string{"Sluice-Token: wrong"}, 401},
		{"an administrator with a wrong token", httpapi.Address{Admin: true, Certified: access.Admin}, true, true, "DELETE", []string{"Authorization: Bearer wrong"}, 401},
		{"an address that gives none a role", httpapi.Address{Checks: true, Admin: true}, true, true, "DELETE", nil, 401},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := open(t, guardedPolicies)
			if test.tokens {
				d = openGuarded(t, test.address, httpapi.Options{})
			}
			path, body := "/v1/policies/api/key?key=k", ""
			if test.method == "POST" {
				path, body = "/v1/check", `{"limits":["1/h"],"key":"k"}`
			}
			r := httptest.NewRequest(test.method, path, strings.NewReader(body))
			r.RemoteAddr = "192.0.2.1:999"
			holder := &x509.Certificate{Subject: pkix.Name{CommonName: "alice example"}}
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{holder}}
			if test.verified {
				r.TLS.VerifiedChains = [][]*x509.Certificate{{holder}}
			}
			for _, h := range test.headers {
				name, value, _ := strings.Cut(h, ": ")
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			d.api.Handler(test.address).ServeHTTP(w, r)
			if w.Code != test.want {
				t.Errorf("%d %s, want %d", w.Code, w.Body, test.want)
			}
			if w.Code == 204 {
				log := d.send("GET", "/v1/audit", "", "Authorization: Bearer reader-token").Body.String()
				if !strings.Contains(log, `"who":"certificate:alice_example"`) {
					t.Errorf("the audit log is %s", log)
				}
			}
		})
	}
}
