package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/sluice-project/sluice/httplimit"
)

// What a proxy asks about is not the request that it sends, but one that it was sent itself. It says so in header fields,
// each proxy in its own, which are believed of trusted proxies only.

// originalPath returns the path of the request that is asked about, unescaped and without its query: what follows the
// policy in the path of this request, or what a trusted proxy says. It is not cleaned: "/a//b" is not "/a/b".
func originalPath(r *http.Request, rest string, trusted []netip.Prefix) (string, error) {
	said := make([]string, 0, 4)
	if rest != "" {
		said = append(said, rest)
	}
	for _, name := range []string{"X-Forwarded-Uri", "X-Original-Uri", "X-Original-Url"} {
		for _, uri := range fromProxy(r, name, trusted) {
			said = append(said, pathOf(uri))
		}
	}
	if len(said) == 0 {
		return "/", nil
	}
	return agreed("path", said)
}

// originalMethod returns the method of the request that is asked about: what a trusted proxy says, else that of this
// request.
func originalMethod(r *http.Request, trusted []netip.Prefix) (string, error) {
	said := append(fromProxy(r, "X-Forwarded-Method", trusted), fromProxy(r, "X-Original-Method", trusted)...)
	if len(said) == 0 {
		return r.Method, nil
	}
	return agreed("method", said)
}

// originalHost returns the host that the request that is asked about is for: what a trusted proxy says, else that of this
// request. Case, a port and a dot at its end make no other host of it. Where proxies have appended to a list, it is the
// last, which the nearest one wrote.
func originalHost(r *http.Request, trusted []netip.Prefix) (string, error) {
	said := append(fromProxy(r, "X-Forwarded-Host", trusted), fromProxy(r, "X-Original-Host", trusted)...)
	if len(said) == 0 {
		said = append(said, r.Host)
	}
	for i, host := range said {
		host = strings.TrimSpace(host[strings.LastIndexByte(host, ',')+1:])
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
		said[i] = strings.ToLower(strings.TrimSuffix(host, "."))
	}
	host, err := agreed("host", said)
	if err == nil && host == "" {
		err = &httplimit.MissingError{What: "header Host"}
	}
	return host, err
}

// agreed returns what all say. A proxy writes one of the headers that it may write and passes on the others as the client
// sent them, so where they differ the client has written one of them, to be counted as somebody else.
func agreed(what string, said []string) (string, error) {
	for _, other := range said[1:] {
		if other != said[0] {
			return "", newProblem(conflictingSource, "its headers and its path say two different things of the %s that is asked about: "+
				"let the proxy send one, and remove the others that the client sent", what)
		}
	}
	return said[0], nil
}

// fromProxy returns what a header says, where a trusted proxy sends it. An empty one says nothing.
func fromProxy(r *http.Request, name string, trusted []netip.Prefix) (said []string) {
	for _, value := range r.Header[name] {
		if value != "" && isTrusted(r.RemoteAddr, trusted) {
			said = append(said, value)
		}
	}
	return said
}

func isTrusted(peer string, trusted []netip.Prefix) bool {
	addr, err := netip.ParseAddrPort(peer)
	if err != nil {
		return false
	}
	for _, prefix := range trusted {
		if prefix.Contains(addr.Addr().Unmap().WithZone("")) {
			return true
		}
	}
	return false
}

// pathOf returns the path of what a proxy calls the URI of a request: a path with its query, or a whole URL. It is not
// [url.Parse], which takes "//a/b" for a host, and refuses "/a#%zz" and "/a%zz?b": whoever writes what cannot be read
// must not have a key for each query. A path that cannot be unescaped is taken as it is.
func pathOf(uri string) string {
	if scheme, rest, found := strings.Cut(uri, "://"); found && !strings.ContainsAny(scheme, "/?#") {
		uri = strings.TrimLeftFunc(rest, func(c rune) bool { return !strings.ContainsRune("/?#", c) })
	}
	if end := strings.IndexAny(uri, "?#"); end >= 0 {
		uri = uri[:end]
	}
	if uri == "" {
		return "/"
	}
	path, err := url.PathUnescape(uri)
	if err != nil {
		return uri
	}
	return path
}
