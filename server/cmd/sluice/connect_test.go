package main

import (
	"net/http"
	"testing"
)

// trusting returns what makes connections to servers with a certificate of an authority.
func trusting(t *testing.T, caCert string) http.RoundTripper {
	t.Helper()
	r, err := (&endpoint{url: defaultServer, caCert: caCert}).open()
	if err != nil {
		t.Fatal(err)
	}
	return r.client.Transport
}
