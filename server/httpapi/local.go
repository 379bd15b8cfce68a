package httpapi

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// notLocal says why a request that came to a loopback address may all the same not be from the operator of this
// machine; "" where nothing says so. A proxy on this machine passes on what strangers ask, and mostly says so in
// Forwarded, Via, X-Real-IP or one of the X-Forwarded headers; one that says nothing cannot be told from the operator.
// A page in a browser on this machine asks what its author wants, and the browser says so in Origin or Sec-Fetch-Site,
// or in Host where the author made his own name resolve to a loopback address.
func notLocal(r *http.Request) string {
	if !loopbackHost(r.Host) {
		return fmt.Sprintf("the request's Host %.64q is not a loopback address or localhost", r.Host)
	}
	for name := range r.Header {
		if slices.Contains(proxyHeaders, name) || strings.HasPrefix(name, "X-Forwarded-") {
			return fmt.Sprintf("the request has the header %.64s, which a proxy sends for somebody else", name)
		}
	}
	return fromPage(r)
}

// fromPage says why a request may be what a page in a browser wants; "" where nothing says so.
func fromPage(r *http.Request) string {
	if _, given := r.Header["Origin"]; given {
		return "the request has the header Origin, which a browser sends for a page"
	}
	if values := r.Header["Sec-Fetch-Site"]; len(values) > 1 || len(values) == 1 && values[0] != "none" && values[0] != "same-origin" {
		return "the request has the header Sec-Fetch-Site, by which a browser says that a page of another site asks"
	}
	return ""
}

// proxyHeaders are those that a proxy adds to a request, beside X-Forwarded-*.
var proxyHeaders = []string{"Forwarded", "Via", "X-Forwarded", "X-Original-Forwarded-For", "X-Real-Ip"}

// loopbackHost reports whether a Host is localhost or a loopback address, with or without a port.
func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
