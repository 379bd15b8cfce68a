package access

import (
	"bytes"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

const (
	// maxFile is the longest tokens file, in bytes.
	maxFile = 1 << 20
	// maxTokens is how many it can have: each is compared with what is shown.
	maxTokens = 1000
	// maxName is the length of the longest name.
	maxName = 63
)

// Tokens are those that let in.
type Tokens struct{ all []token }

type token struct {
	caller Caller
	digest Digest
}

// Parse reads a tokens file, which its faults call name: a line for each token, NAME ROLE DIGEST, where the digest is the
// SHA-256 of the token in hexadecimal. Empty lines and what is behind a # at the beginning of a word are left out. The
// error joins everything that is wrong, each with its line. It does not say what stands in the place of a digest: that may
// be a token.
func Parse(name string, data []byte) (*Tokens, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s: it has more than %d bytes, which is the most that a tokens file can have", name, maxFile)
	}
	t := new(Tokens)
	var faults []error
	names, digests := make(map[string]int), make(map[Digest]int)
	for i, line := range bytes.Split(data, []byte("\n")) {
		at := i + 1
		words := strings.Fields(string(line))
		for j, word := range words {
			if word[0] == '#' {
				words = words[:j]
				break
			}
		}
		if len(words) == 0 {
			continue
		}
		one, err := parseLine(words)
		if err == nil && names[one.caller.Name] > 0 {
			err = fmt.Errorf("the name %s is that of line %d; give each token its own, so that the audit log tells who it was", one.caller.Name, names[one.caller.Name])
		}
		if err == nil && digests[one.digest] > 0 {
			err = fmt.Errorf("the token is that of line %d; make one for each, by sluice token", digests[one.digest])
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", name, at, err))
			continue
		}
		names[one.caller.Name], digests[one.digest] = at, at
		t.all = append(t.all, one)
	}
	switch {
	case len(faults) > 0:
		return nil, errors.Join(faults...)
	case len(t.all) == 0:
		return nil, fmt.Errorf("%s: it has no token, so that nobody could administer; make one by sluice token", name)
	case len(t.all) > maxTokens:
		return nil, fmt.Errorf("%s: it has %d tokens; it can have %d", name, len(t.all), maxTokens)
	}
	return t, nil
}

// parseLine reads the words of a line.
func parseLine(words []string) (one token, err error) {
	if len(words) != 3 {
		return one, fmt.Errorf("it has %d words; it must be NAME ROLE SHA256-OF-TOKEN, as sluice token prints it", len(words))
	}
	var faults []string
	one.caller.Name = words[0]
	if err := ValidateName(words[0]); err != nil {
		faults = append(faults, err.Error())
	}
	if one.caller.Role, err = ParseRole(words[1]); err != nil {
		faults = append(faults, err.Error())
	}
	if sum, err := hex.DecodeString(words[2]); err != nil || len(sum) != len(one.digest) {
		faults = append(faults, fmt.Sprintf("what stands for the token has %d characters; it must be its SHA-256 in hexadecimal, 64 digits, "+
			"as sluice token prints it, and never the token itself", len(words[2])))
	} else {
		one.digest = Digest(sum)
	}
	if faults != nil {
		return one, errors.New(strings.Join(faults, "; "))
	}
	return one, nil
}

// ValidateName reports why a name cannot be that of a token: it is one word, that a log and a terminal can show, and none that
// the audit log has for somebody else.
func ValidateName(name string) error {
	strange := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("._@-", c)
	}
	switch {
	case name == "" || len(name) > maxName || strings.ContainsFunc(name, strange):
		return fmt.Errorf("the name is %.64q; it must be 1 to 63 of a-z, A-Z, 0-9, '.', '_', '@' and '-'", name)
	case name == "operator" || name == "file" || name == "default":
		return fmt.Errorf("the name %s is not to be had: it means who has no token; take another", name)
	}
	return nil
}

// Len returns how many there are.
func (t *Tokens) Len() int { return len(t.all) }

// find returns whose token a digest is of. It takes the same time whoever it is, and if it is nobody: all are compared, and
// each in full.
func (t *Tokens) find(d Digest) (caller Caller, found bool) {
	at := -1
	for i := range t.all {
		at = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(t.all[i].digest[:], d[:]), i, at)
	}
	if at < 0 {
		return Caller{}, false
	}
	return t.all[at].caller, true
}
