// Package access says who may do what: by tokens, of which it knows the digests alone, and by the roles that they have.
//
// It decides whether somebody has shown a token, not what a call needs: that is the doors' business. It keeps no token and
// logs nothing. It imports the standard library and what looks at files.
package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

// Role is what somebody may do. Each includes those before it.
type Role uint8

const (
	// Nobody may do what needs no role.
	Nobody Role = iota
	// Check may ask, where that needs a role, and bring limits of its own.
	Check
	// Read may look at what is live, at keys, logs and metrics.
	Read
	// Admin may change all that.
	Admin
)

var roleNames = [...]string{Nobody: "nobody", Check: "check", Read: "read", Admin: "admin"}

func (r Role) String() string { return roleNames[r] }

// ParseRole reads the name of a role that a token can have.
func ParseRole(name string) (Role, error) {
	for r := Check; r <= Admin; r++ {
		if r.String() == name {
			return r, nil
		}
	}
	return Nobody, fmt.Errorf("the role is %.64q; it must be check, read or admin", name)
}

// Includes reports whether one may do what needs another role.
func (r Role) Includes(other Role) bool { return r >= other }

// Caller is who somebody has proved to be.
type Caller struct {
	// Name is what the audit log calls him.
	Name string
	Role Role
}

// Digest is what is kept of a token. A token is random and long, so that its digest tells nothing of it, and no salt is
// needed.
type Digest [sha256.Size]byte

// DigestOf returns the digest of a token.
func DigestOf(token string) Digest { return sha256.Sum256([]byte(token)) }

// String returns it as it stands in a file.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// tokenPrefix begins every token that is made here, so that one that has got into a wrong place is found there.
const tokenPrefix = "sluice_"

// NewToken returns a token that nobody can guess: 256 random bits.
func NewToken() string {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // it never fails
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(secret[:])
}

// Line returns the line of a tokens file that lets a token in.
func Line(name string, role Role, token string) string {
	return name + " " + role.String() + " " + DigestOf(token).String()
}
