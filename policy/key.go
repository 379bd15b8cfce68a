package policy

import (
	"fmt"
	"strings"

	"github.com/sluice-project/sluice"
)

// MaxKeyParts is the greatest number of parts in a policy's key.
const MaxKeyParts = 8

// KeyKind says what of a request a [KeyPart] is.
type KeyKind uint8

const (
	// IP is the address of the client, as the trusted proxies tell it.
	IP KeyKind = iota
	// Header is the value of the header field that the part names.
	Header
	// Cookie is the value of the cookie that the part names.
	Cookie
	// Path is the path of the URL.
	Path
	// Method is the request method.
	Method
)

var kindNames = [...]string{IP: "ip", Header: "header", Cookie: "cookie", Path: "path", Method: "method"}

// String returns the kind as the text form of a part spells it, such as "header".
func (k KeyKind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("KeyKind(%d)", uint8(k))
}

// named reports whether a part of this kind has a name.
func (k KeyKind) named() bool { return k == Header || k == Cookie }

// KeyPart is one thing about a request that tells who is limited. It is a small comparable value.
type KeyPart struct {
	// Kind says what it is.
	Kind KeyKind
	// Name is the name of the header field, in any case, or of the cookie; empty for the other kinds.
	Name string
}

// keyForms says what a part may be, for messages.
const keyForms = "ip, header:NAME, cookie:NAME, path or method"

// ParseKeyPart reads a part from its text form: ip, header:NAME, cookie:NAME, path or method. It is the inverse of
// [KeyPart.String]. The error is a [*sluice.InvalidError] that says what is wrong and what would be right.
func ParseKeyPart(text string) (KeyPart, error) {
	word, name, hasName := strings.Cut(text, ":")
	for k, kindName := range kindNames {
		part := KeyPart{Kind: KeyKind(k), Name: name}
		if word != kindName || hasName && !part.Kind.named() {
			continue
		}
		if problem := part.problem(); problem != "" {
			return KeyPart{}, &sluice.InvalidError{Field: "key", Problem: fmt.Sprintf("%.64q: %s", text, problem)}
		}
		return part, nil
	}
	return KeyPart{}, &sluice.InvalidError{Field: "key", Problem: fmt.Sprintf("%.64q is no part of a key; it must be %s", text, keyForms)}
}

// String returns the text form that [ParseKeyPart] reads, such as "header:X-API-Key".
func (k KeyPart) String() string {
	if k.Kind.named() {
		return k.Kind.String() + ":" + k.Name
	}
	return k.Kind.String()
}

// problem says what is wrong with the part and what would be right; nothing where it is legal.
func (k KeyPart) problem() string {
	switch {
	case int(k.Kind) >= len(kindNames):
		return fmt.Sprintf("there is no kind of key part number %d; it must be %s", k.Kind, keyForms)
	case !k.Kind.named() && k.Name != "":
		return fmt.Sprintf("%s takes no name; write %s alone", k.Kind, k.Kind)
	case k.Kind.named() && k.Name == "":
		return fmt.Sprintf("the name is missing; write %s:NAME", k.Kind)
	case k.Kind.named() && strings.ContainsFunc(k.Name, notToken):
		return fmt.Sprintf("the name %.64q holds a character that a %s name cannot have; letters, digits and !#$%%&'*+-.^_`|~ can be in it", k.Name, k.Kind)
	}
	return ""
}

// same reports whether two parts always have the same value: header names do not distinguish case.
func (k KeyPart) same(l KeyPart) bool {
	return k == l || k.Kind == Header && l.Kind == Header && strings.EqualFold(k.Name, l.Name)
}

// notToken reports whether a character cannot be in a token of RFC 9110, section 5.6.2.
func notToken(c rune) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return false
	}
	return !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
}
