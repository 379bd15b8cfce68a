package httplimit_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/sluice-project/sluice/httplimit"
)

func TestKeyFuncs(t *testing.T) {
	t.Parallel()
	trusted := netip.MustParsePrefix("10.0.0.0/8")
	request := func(change func(*http.Request)) *http.Request {
		r := httptest.NewRequest("GET", "http://api.example/a%20b?q=1", nil)
		r.RemoteAddr = "192.0.2.1:4711"
		if change != nil {
			change(r)
		}
		return r
	}
	from := func(peer string) *http.Request {
		return request(func(r *http.Request) { r.RemoteAddr = peer })
	}
	header := func(name string, values ...string) *http.Request {
		return request(func(r *http.Request) { r.Header[name] = values })
	}
	empty := func(*http.Request) (string, error) { return "", nil }
	tests := []struct {
		name    string
		key     httplimit.KeyFunc
		request *http.Request
		want    string
		missing string
	}{
		{"IPv4", httplimit.ByIP(), request(nil), "192.0.2.1", ""},
		{"IPv4 in IPv6 form", httplimit.ByIP(), from("[::ffff:192.0.2.1]:1"), "192.0.2.1", ""},
		{"IPv6", httplimit.ByIP(), from("[2001:db8:1:2:3:4:5:6]:1"), "2001:db8:1:2::/64", ""},
		{"IPv6 by /48", httplimit.ByIPv6Prefix(48), from("[2001:db8:1:2:3:4:5:6]:1"), "2001:db8:1::/48", ""},
		{"IPv6 by /128", httplimit.ByIPv6Prefix(128), from("[2001:db8::1%eth0]:1"), "2001:db8::1/128", ""},
		{"IPv6 by no such number", httplimit.ByIPv6Prefix(129), from("[2001:db8:1:2:3::]:1"), "2001:db8:1:2::/64", ""},
		{"IPv6 by 0", httplimit.ByIPv6Prefix(0), from("[2001:db8:1:2:3::]:1"), "2001:db8:1:2::/64", ""},
		{"IPv4 by IPv6 prefix", httplimit.ByIPv6Prefix(8), request(nil), "192.0.2.1", ""},
		{"behind a proxy", httplimit.ByIP(trusted), request(func(r *http.Request) {
			r.RemoteAddr = "10.0.0.1:80"
			r.Header.Set("X-Forwarded-For", "203.0.113.9, 2001:db8::1")
		}), "2001:db8::/64", ""},
		{"no address", httplimit.ByIP(trusted), from("@"), "", "client address"},

		{"header", httplimit.ByHeader("x-api-key"), header("X-Api-Key", "k1"), "k1", ""},
		{"header of two lines", httplimit.ByHeader("X-API-Key"), header("X-Api-Key", "k1", "k2"), "k1", ""},
		{"header as it is", httplimit.ByHeader("X-API-Key"), header("X-Api-Key", `a|b\c`), `a|b\c`, ""},
		{"header absent", httplimit.ByHeader("X-API-Key"), request(nil), "", "header X-API-Key"},
		{"header empty", httplimit.ByHeader("X-API-Key"), header("X-Api-Key", ""), "", "header X-API-Key"},
		{"host", httplimit.ByHeader("host"), request(nil), "api.example", ""},
		{"host absent", httplimit.ByHeader("Host"), request(func(r *http.Request) { r.Host = "" }), "", "header Host"},

		{"cookie", httplimit.ByCookie("session"), header("Cookie", "a=b; session=s1; session=s2"), "s1", ""},
		{"cookie absent", httplimit.ByCookie("session"), header("Cookie", "a=b"), "", "cookie session"},
		{"cookie empty", httplimit.ByCookie("session"), header("Cookie", "session="), "", "cookie session"},

		{"path", httplimit.ByPath(), request(nil), "/a b", ""},
		{"no path", httplimit.ByPath(), httptest.NewRequest("GET", "http://api.example", nil), "/", ""},
		{"path with slashes", httplimit.ByPath(), httptest.NewRequest("GET", "/a//b/..", nil), "/a//b/..", ""},
		{"method", httplimit.ByMethod(), request(nil), "GET", ""},

		{"join", httplimit.Join(httplimit.ByIP(), httplimit.ByPath()), request(nil), "192.0.2.1|/a b", ""},
		{"join of one", httplimit.Join(httplimit.ByIP()), request(nil), "192.0.2.1", ""},
		{"join lacks its second", httplimit.Join(httplimit.ByIP(), httplimit.ByCookie("c"), httplimit.ByHeader("h")), request(nil), "", "cookie c"},
		{"join with an empty key", httplimit.Join(httplimit.ByIP(), empty), request(nil), "", "key"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := test.key(test.request)
			var missing *httplimit.MissingError
			switch {
			case test.missing == "" && err != nil:
				t.Errorf("error %v, want none", err)
			case test.missing != "" && (!errors.As(err, &missing) || missing.What != test.missing):
				t.Errorf("error %v, want a MissingError of %q", err, test.missing)
			case got != test.want:
				t.Errorf("key %q, want %q", got, test.want)
			}
		})
	}
}

// TestByIPKeepsItsOwnPrefixes changes the caller's slice afterwards: whom a key function trusts stays as it was.
func TestByIPKeepsItsOwnPrefixes(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	key := httplimit.ByIP(trusted...)
	trusted[0] = netip.MustParsePrefix("0.0.0.0/0")
	r := &http.Request{RemoteAddr: "192.0.2.1:1", Header: http.Header{"X-Forwarded-For": {"198.51.100.1"}}}
	if got, err := key(r); err != nil || got != "192.0.2.1" {
		t.Errorf("key %q, error %v, want 192.0.2.1", got, err)
	}
}

// FuzzJoin looks for two requests of different header values that are limited under one key.
func FuzzJoin(f *testing.F) {
	f.Add("a|b", "c", "a", "b|c")
	f.Add(`a\`, "|b", `a\|`, "b")
	f.Add("x", strings.Repeat("y", 5000), "x", strings.Repeat("y", 5001))
	key := httplimit.Join(httplimit.ByHeader("A"), httplimit.ByHeader("B"))
	f.Fuzz(func(t *testing.T, a1, b1, a2, b2 string) {
		key1, err1 := key(&http.Request{Header: http.Header{"A": {a1}, "B": {b1}}})
		key2, err2 := key(&http.Request{Header: http.Header{"A": {a2}, "B": {b2}}})
		if (err1 == nil) != (a1 != "" && b1 != "") || (err2 == nil) != (a2 != "" && b2 != "") {
			t.Fatalf("errors %v and %v, want one exactly where a part is empty", err1, err2)
		}
		if err1 != nil || err2 != nil {
			return
		}
		if same := a1 == a2 && b1 == b2; same != (key1 == key2) {
			t.Errorf("(%q, %q) has key %q, (%q, %q) has %q", a1, b1, key1, a2, b2, key2)
		}
		if len(key1) > 4096 {
			t.Errorf("key of %d bytes, want at most 4096", len(key1))
		}
	})
}
