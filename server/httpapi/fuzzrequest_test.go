package httpapi

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// Whatever a query is, it is read, or refused with a problem that says why.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"key=a%26b", "key_base64=/w==", "key=a&key=b", "cost=1e3", "limit=0&cursor=", "cursor=x&limit=1000", "key;x", "%zz", "="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseQuery(raw, []string{"key", "key_base64", "cost", "limit", "cursor"})
		problem := func(err error) {
			if p := (*Problem)(nil); err != nil && (!errors.As(err, &p) || p.Status != 400 || p.Detail == "") {
				t.Errorf("the query %q is %v, want a problem of status 400", raw, err)
			}
		}
		if problem(err); err != nil {
			return
		}
		_, err = q.key()
		problem(err)
		_, err = q.cost()
		problem(err)
		_, most, err := q.page()
		if problem(err); err == nil && (most < 1 || most > mostLines) {
			t.Errorf("the query %q asks for %d lines", raw, most)
		}
	})
}

// Whatever a trusted proxy says of the request that is asked about, it is read or refused; of a stranger nothing is
// believed.
func FuzzOriginal(f *testing.F) {
	f.Add("/login?x", "/login", "GET", "a.example, B.example:80.", "10.0.0.1:5")
	f.Add("//h/p", "", "\x00", "[::1]:x", "192.0.2.1:5")
	f.Add("", "", "", "", "@")
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, uri, other, method, host, peer string) {
		r := &http.Request{Method: "POST", Host: "own.example", RemoteAddr: peer, Header: http.Header{
			"X-Forwarded-Uri": {uri}, "X-Original-Uri": {other}, "X-Forwarded-Method": {method}, "X-Forwarded-Host": {host},
		}}
		path, err1 := originalPath(r, "", trusted)
		how, err2 := originalMethod(r, trusted)
		where, err3 := originalHost(r, trusted)
		if err1 == nil && path == "" || err2 == nil && how == "" || err3 == nil && where == "" {
			t.Errorf("path %q, method %q and host %q of a request with %q", path, how, where, r.Header)
		}
		if !strings.HasPrefix(peer, "10.") && (path != "/" || how != "POST" || where != "own.example") && !isTrusted(peer, trusted) {
			t.Errorf("the stranger %q is believed path %q, method %q and host %q", peer, path, how, where)
		}
	})
}
