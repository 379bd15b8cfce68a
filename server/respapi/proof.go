package respapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"

	"github.com/sluice-project/sluice/server/access"
)

const (
	// defaultUser is whom a client names that does not say which token it shows, or gives the password.
	defaultUser = "default"
	// operator is what the audit log calls who has given the password, or has needed none.
	operator = "operator"
)

// proof is what a client has proved of who it is.
type proof struct {
	who access.Caller
	// Where it has shown a token: its digest, and the tokens that it was one of then.
	token   access.Digest
	edition *access.Tokens
}

// forget makes the session one whose client has said nothing yet. It is the operator on this machine, where there is nothing
// to prove it by; and may ask, where it has a certificate.
func (s *session) forget() {
	s.proof = proof{}
	switch {
	case !s.door.guarded() && s.loopback:
		s.who = access.Caller{Name: operator, Role: access.Admin}
	case !s.door.locked() && s.certified():
		s.who = access.Caller{Name: "certificate", Role: access.Check}
	}
}

// certified reports whether the client has shown a certificate that was asked for.
func (s *session) certified() bool {
	conn, ok := s.conn.(*tls.Conn)
	return ok && len(conn.ConnectionState().VerifiedChains) > 0
}

// known reports whether the client may say anything but who it is.
func (s *session) known() bool {
	return !s.door.locked() && !s.door.options.Load().ChecksNeedToken || s.who.Role.Includes(access.Check)
}

// lookAgain looks whether the token that the client has shown is still one.
func (s *session) lookAgain() {
	if s.edition == nil || s.edition == s.door.config.Tokens.Edition() {
		return
	}
	p, found := s.door.byToken(s.token)
	if !found {
		s.forget()
		return
	}
	s.proof = p
}

// prove returns what a user and a password prove, if they are right, in a time that says nothing of how far they are. Where
// there is nothing to prove, every password is right, and changes nothing: Redis has it so.
func (s *session) prove(user, password []byte) (proof, bool) {
	d := s.door
	given := access.Digest(sha256.Sum256(password))
	byToken, isToken := d.byToken(given)
	isPassword := subtle.ConstantTimeCompare(given[:], d.password[:]) == 1
	switch {
	case isToken && (string(user) == defaultUser || string(user) == byToken.who.Name):
		return byToken, true
	case string(user) != defaultUser:
	case d.locked() && isPassword:
		return proof{who: access.Caller{Name: operator, Role: access.Admin}}, true
	case !d.guarded():
		return s.proof, true
	}
	d.stats.failedLogins.Add(1)
	return proof{}, false
}

// byToken returns what a token proves.
func (d *Door) byToken(digest access.Digest) (proof, bool) {
	edition := d.config.Tokens.Edition()
	who, found := d.config.Tokens.FindDigest(digest)
	return proof{who, digest, edition}, found
}

// refusal says why a client may not use a command that needs a role.
func (s *session) refusal(c *command, need access.Role) string {
	text := "NOPERM " + c.name
	if c.admin {
		text += " is administration"
	} else {
		text += " brings limits of its own"
	}
	switch {
	case s.who.Role != access.Nobody:
		text += ", and " + s.who.Name + " has the role " + s.who.Role.String() + ": AUTH with a token that has the role " + need.String()
	case s.door.guarded():
		text += ": AUTH with a token that has the role " + need.String()
	default:
		text += ", and this address can be reached from other machines: set admin.tokens_file or listen.resp_password, and AUTH"
	}
	if c.inline {
		text += ", or set allow_inline_limits: true"
	}
	return text
}
