package httpapi

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"strings"

	"github.com/sluice-project/sluice/server/access"
)

// operator is what the audit log calls who administers without a token, on this machine.
const operator = "operator"

// tokenHeader has a token, where Authorization is somebody else's: authorize is sent the header of the request that it is
// asked about.
const tokenHeader = "Sluice-Token"

// admit returns who asks, if he has a role; else why he may not, and what header the answer has to have.
func (a *API) admit(header http.Header, r *http.Request, address Address, need access.Role) (access.Caller, error) {
	caller, err := a.identify(r, address, need)
	switch {
	case err != nil:
		header.Set("WWW-Authenticate", `Bearer realm="sluice", error="invalid_token"`)
		return caller, err
	case caller.Role.Includes(need):
		return caller, nil
	case a.tokens == nil && address.Loopback: // the operator of this machine, as far as can be seen
		if reason := notLocal(r); reason != "" {
			return caller, newProblem(notLocalAdmin, "without tokens this is open to this machine's operator only, and %s: ask the server "+
				"directly, at a loopback address, or give it tokens, by admin.tokens_file", reason)
		}
		return access.Caller{Name: operator, Role: access.Admin}, nil
	case caller.Role != access.Nobody:
		return caller, newProblem(roleMissing, "%s has the role %s, and this needs the role %s: use a token that has it", caller.Name, caller.Role, need)
	}
	header.Set("WWW-Authenticate", `Bearer realm="sluice"`)
	return caller, newProblem(unauthenticated, "this needs a token with the role %s: send it as Authorization: Bearer TOKEN", need)
}

// identify returns who the request proves to come from, who needs a role; the zero Caller where it proves nothing.
func (a *API) identify(r *http.Request, address Address, need access.Role) (access.Caller, error) {
	certified := address.Certified != access.Nobody && r.TLS != nil && len(r.TLS.VerifiedChains) > 0
	if token, given := tokenOf(r.Header); given && a.tokens != nil {
		caller, known := a.tokens.Find(token)
		if known {
			return caller, nil
		}
		// A proxy that has proved who it is may pass on what its client says in Authorization, which is for somebody else.
		if !certified || need != access.Check || len(r.Header[tokenHeader]) > 0 {
			return access.Caller{}, newProblem(unauthenticated, "the token is none of those that this server knows: see its admin.tokens_file")
		}
	}
	if !certified {
		return access.Caller{}, nil
	}
	// A browser shows the certificate of whoever sits before it for every page.
	if reason := fromPage(r); reason != "" && address.Certified > access.Check {
		return access.Caller{}, newProblem(unauthenticated, "a certificate alone is not enough where %s: send a token", reason)
	}
	return access.Caller{Name: certificateName(r.TLS.PeerCertificates[0]), Role: address.Certified}, nil
}

// tokenOf returns the token that a request shows.
func tokenOf(h http.Header) (token string, given bool) {
	if own := h[tokenHeader]; len(own) > 0 {
		return own[0], true
	}
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	return strings.TrimSpace(token), strings.EqualFold(scheme, "Bearer")
}

// certificateName is what the audit log calls the holder of a certificate: no token has a name with a colon.
func certificateName(c *x509.Certificate) string {
	name := c.Subject.CommonName
	if len(c.DNSNames) > 0 {
		name = c.DNSNames[0]
	}
	return fmt.Sprintf("certificate:%.128s", strings.Map(func(c rune) rune {
		if c < '!' || c > '~' {
			return '_'
		}
		return c
	}, name))
}

// admitInline reports why a caller may not bring limits of its own.
func (a *API) admitInline(header http.Header, r *http.Request, address Address) error {
	caller, err := a.identify(r, address, access.Check)
	switch {
	case err != nil:
		header.Set("WWW-Authenticate", `Bearer realm="sluice", error="invalid_token"`)
		return err
	case caller.Role.Includes(access.Check):
		return nil
	case a.tokens != nil:
		return newFault(inlineRefused, "limits", "only who has the role check may bring limits of his own: send a token, as Authorization: Bearer "+
			"TOKEN, name a policy, or set allow_inline_limits: true")
	case !address.Loopback:
		return newFault(inlineRefused, "limits", "this address can be reached from other machines, and their callers may not bring limits of "+
			"their own: name a policy, or set allow_inline_limits: true")
	}
	if reason := notLocal(r); reason != "" {
		return newFault(inlineRefused, "limits", "only a caller on this machine may bring limits of his own, and %s: name a policy, or set "+
			"allow_inline_limits: true", reason)
	}
	return nil
}

// maxAdministering is how many calls of administration are answered at once. What is more is told to come again, at once, so
// that it takes neither memory nor the store from the checks.
const maxAdministering = 64

// begin reports whether one more call of administration may be answered; then [API.end] ends it.
func (a *API) begin() bool {
	if a.administering.Add(1) <= maxAdministering {
		return true
	}
	a.end()
	return false
}

func (a *API) end() { a.administering.Add(-1) }
