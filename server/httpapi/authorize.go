package httpapi

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/httplimit"
	"github.com/sluice-project/sluice/policy"
)

// authorize answers ANY /v1/authorize/{policy}[/...], which a proxy sends for each request that it has been sent
// itself: 200, or the deny status for every refusal, whatever its reason. What cannot be asked at all is another status.
func (a *API) authorize(w http.ResponseWriter, r *http.Request, on target) error {
	status, err := denyStatus(r.URL)
	if err != nil {
		return err
	}
	p, found := a.engine.Snapshot().Get(on.name)
	switch {
	case !found:
		return &engine.UnknownPolicyError{Policy: on.name}
	case len(p.Key) == 0:
		return newProblem(policyWithoutKey, "the policy %s has no key, so a request alone does not say who is limited: give it one "+
			"in the configuration, such as key: ip, or send the key to /v1/check", p.Name)
	}
	key, err := requestKey(p, r, on.rest, a.options.Load().TrustedProxies)
	if missing := (*httplimit.MissingError)(nil); errors.As(err, &missing) {
		if p.Missing == policy.MissingAllow || p.Shadow {
			w.WriteHeader(http.StatusOK)
			return nil
		}
		refusal := newProblem(keyMissing, "%s: send it", missing)
		refusal.Status = status
		return refusal
	}
	if err != nil {
		return err
	}
	answer, err := a.engine.Check(r.Context(), engine.Query{Policy: p.Name, Key: key, Cost: 1})
	if err != nil {
		return err
	}
	httplimit.AddHeaders(w.Header(), answer.Decision)
	if answer.Allowed {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	refusal := refusalOf(answer)
	refusal.Status = status
	return refusal
}

// refusalOf returns the problem of an answer that is a refusal.
func refusalOf(answer engine.Answer) *Problem {
	if answer.Source == sluice.SourceErrorPolicy {
		return newProblem(undecided, "the store did not answer, and the policy %s refuses then (on_error: deny): try again later", answer.Policy)
	}
	p := httplimit.Refusal(answer.Decision)
	return &Problem{Type: p.Type, Title: p.Title, Detail: p.Detail, ViolatedPolicies: p.ViolatedPolicies}
}

// denyStatus returns the status that a refusal is to have: 429, or what deny_status asks for. The other parameters are
// those of the request that is asked about, where a proxy has appended its path.
func denyStatus(u *url.URL) (int, error) {
	if u.RawQuery == "" {
		return http.StatusTooManyRequests, nil
	}
	given := u.Query()["deny_status"]
	if len(given) == 0 {
		return http.StatusTooManyRequests, nil
	}
	status, err := strconv.Atoi(given[0])
	if err != nil || status < 400 || status > 499 || len(given) > 1 {
		return 0, newFault(invalidValue, "deny_status", "it is %.64q; it must be one status from 400 to 499, such as 403", strings.Join(given, ","))
	}
	return status, nil
}

// requestKey makes the key of a request as the policy says: [sluice.JoinKey] of the parts. The error is an
// [*httplimit.MissingError] where one is not there.
func requestKey(p *policy.Policy, r *http.Request, rest string, trusted []netip.Prefix) (string, error) {
	parts := make([]httplimit.KeyFunc, len(p.Key))
	for i, part := range p.Key {
		switch part.Kind {
		case policy.IP:
			parts[i] = httplimit.ByIP(trusted...)
		case policy.Header:
			parts[i] = httplimit.ByHeader(part.Name)
		case policy.Cookie:
			parts[i] = httplimit.ByCookie(part.Name)
		case policy.Path:
			parts[i] = func(r *http.Request) (string, error) { return originalPath(r, rest, trusted) }
		case policy.Method:
			parts[i] = func(r *http.Request) (string, error) { return originalMethod(r, trusted) }
		}
	}
	return httplimit.Join(parts...)(r)
}

// originalPath returns the path of the request that is asked about, unescaped and without its query: what follows the
// policy in the path of this request, or what a trusted proxy says. It is not cleaned: "/a//b" is not "/a/b".
func originalPath(r *http.Request, rest string, trusted []netip.Prefix) (string, error) {
	said := make([]string, 0, 3)
	if rest != "" {
		said = append(said, rest)
	}
	for _, name := range []string{"X-Forwarded-Uri", "X-Original-Uri"} {
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
