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
	wanted, err := readWishes(r.URL, on.rest)
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
			wanted.pass(w)
			return nil
		}
		return wanted.refuse(w, newProblem(keyMissing, "%s: send it", missing))
	}
	if err != nil {
		return err
	}
	answer, err := a.engine.Check(r.Context(), engine.Query{Policy: p.Name, Key: key, Cost: 1})
	if err != nil {
		return err
	}
	w.Header().Set("X-RL-Source", answer.Source.String())
	httplimit.AddHeaders(w.Header(), answer.Decision)
	if answer.Allowed {
		wanted.pass(w)
		return nil
	}
	return wanted.refuse(w, refusalOf(answer))
}

// refusalOf returns the problem of an answer that is a refusal.
func refusalOf(answer engine.Answer) *Problem {
	if answer.Source == sluice.SourceErrorPolicy {
		return newProblem(undecided, "the store did not answer, and the policy %s refuses then (on_error: deny): try again later", answer.Policy)
	}
	p := httplimit.Refusal(answer.Decision)
	return &Problem{Type: p.Type, Title: p.Title, Detail: p.Detail, ViolatedPolicies: p.ViolatedPolicies}
}

// wishes are how the configuration of a proxy wants to be answered.
type wishes struct {
	denyStatus int    // of a refusal; 0 for the usual one
	accel      string // the location in which nginx is to go on with a request that may pass; "" for none
}

// pass answers that the request may pass.
func (w wishes) pass(to http.ResponseWriter) {
	if w.accel != "" {
		to.Header().Set("X-Accel-Redirect", w.accel)
	}
	to.WriteHeader(http.StatusOK)
}

// refuse returns the problem as the one to answer, and says in a header field what status it is, where the proxy cannot
// be given that.
func (w wishes) refuse(to http.ResponseWriter, p *Problem) error {
	p.Status = http.StatusTooManyRequests
	if w.denyStatus != 0 {
		to.Header().Set("X-RL-Status", strconv.Itoa(p.Status))
		p.Status = w.denyStatus
	}
	return p
}

// readWishes reads what the query asks for. Where the proxy has appended the path of the request that it asks about, it may
// have appended its query, too: then all of it is the client's, and means nothing.
func readWishes(u *url.URL, rest string) (wishes, error) {
	var w wishes
	if u.RawQuery == "" || rest != "" {
		return w, nil
	}
	query, malformed := url.ParseQuery(u.RawQuery)
	if given := query["deny_status"]; len(given) > 0 {
		status, err := strconv.Atoi(given[0])
		if err != nil || status < 400 || status > 499 || len(given) > 1 {
			return w, newFault(invalidValue, "deny_status", "it is %.64q; it must be one status from 400 to 499, such as 403", strings.Join(given, ","))
		}
		w.denyStatus = status
	}
	given := query["accel"]
	if len(given) == 0 {
		return w, nil
	}
	// Whoever chooses this chooses where nginx goes, so there must be no doubt that it is nginx's own configuration: with
	// anything else beside it, the query of a client may have got in. A named location is nothing that a path can name.
	known := len(query["deny_status"]) + 1
	switch {
	case malformed != nil || strings.Count(u.RawQuery, "&")+1 != known || len(given) > 1:
		return w, newFault(invalidValue, "accel", "the query %.64q holds more than accel and deny_status once each: let the proxy "+
			"send these alone, without the query of the request that it asks about", u.RawQuery)
	case !isNamedLocation(given[0]):
		return w, newFault(invalidValue, "accel", "it is %.64q; it must be a named location of nginx, such as @backend: @ and 1 to 64 "+
			"letters, digits, '_' or '-'", given[0])
	}
	w.accel = given[0]
	return w, nil
}

// isNamedLocation reports whether a text is the name of a location that no path leads to, such as "@backend".
func isNamedLocation(text string) bool {
	name, found := strings.CutPrefix(text, "@")
	return found && name != "" && len(name) <= 64 && !strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-'
	})
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
			if strings.EqualFold(part.Name, "Host") {
				parts[i] = func(r *http.Request) (string, error) { return originalHost(r, trusted) }
			}
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
