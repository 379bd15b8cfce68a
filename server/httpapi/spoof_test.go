package httpapi_test

import (
	"testing"
)

// claims are all header fields by which somebody may say that a request is another's, or for something else, than it is.
var claims = []string{
	"X-Forwarded-For: 203.0.113.7", "Forwarded: for=203.0.113.7;host=other.example;proto=https", "X-Real-Ip: 203.0.113.7",
	"X-Client-Ip: 203.0.113.7", "True-Client-Ip: 203.0.113.7", "Cf-Connecting-Ip: 203.0.113.7", "X-Cluster-Client-Ip: 203.0.113.7",
	"X-Original-Forwarded-For: 203.0.113.7", "X-Forwarded: for=203.0.113.7", "Via: 1.1 203.0.113.7",
	"X-Forwarded-Host: other.example", "X-Original-Host: other.example", "X-Forwarded-Uri: /other", "X-Original-Uri: /other",
	"X-Original-Url: /other", "X-Forwarded-Method: PUT", "X-Original-Method: PUT", "X-Http-Method-Override: PUT", "X-Rewrite-Url: /other",
}

// TestClaimsAreBelievedOfTrustedProxiesOnly has each claim made by a stranger, who is counted as before, and by a trusted
// proxy, of whom those are believed that it is documented to make.
func TestClaimsAreBelievedOfTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	believed := map[string]bool{
		claims[0]: true, "X-Forwarded-Host: other.example": true, "X-Original-Host: other.example": true, "X-Forwarded-Uri: /other": true,
		"X-Original-Uri: /other": true, "X-Original-Url: /other": true, "X-Forwarded-Method: PUT": true, "X-Original-Method: PUT": true,
	}
	const config = "trusted_proxies: [10.0.0.0/8]\npolicies: {one: {key: [ip, 'header:Host', path, method], limits: [1/h]}}\n"
	for _, claim := range claims {
		for peer, trusted := range map[string]bool{"192.0.2.1:5000": false, "[2001:db8::1]:5000": false, "10.0.0.1:5000": true} {
			d := open(t, config)
			if w := d.send("GET", "/v1/authorize/one", "", "Peer: "+peer); w.Code != 200 {
				t.Fatalf("the first request of %s: %d %s", peer, w.Code, w.Body)
			}
			want := 429
			if trusted && believed[claim] {
				want = 200
			}
			if w := d.send("GET", "/v1/authorize/one", "", "Peer: "+peer, claim); w.Code != want {
				t.Errorf("%s claims %q: %d, want %d", peer, claim, w.Code, want)
			}
		}
	}
}
