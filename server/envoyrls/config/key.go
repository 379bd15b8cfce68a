package config

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/sluice-project/sluice"
)

// AppendKey appends the key of a descriptor's counter: the domain and each entry, as in "domain|key=value|key=value".
// Different descriptors have different keys, whatever bytes are in them: '\' stands before a '\' or '|' of a domain, a
// key or a value, and before a '=' or '*' of a key. Where all values that a pattern matches have one counter, the
// pattern is there in place of the value, and "*=" in place of '='.
func (m Match) AppendKey(b []byte, c *Config, domain string, entries []Entry) []byte {
	b = escape(b, domain, false)
	n := c.domains[domain]
	for i, e := range entries {
		b = escape(append(b, '|'), e.Key, true)
		value, shared := e.Value, m.shared&(1<<i) != 0
		if n != nil && m.shared != 0 {
			n = n.next(e)
		}
		if shared {
			b, value = append(b, '*'), n.pattern
		}
		b = escape(append(b, '='), value, false)
	}
	return b
}

// escape appends a text such that no text's end can be taken for the beginning of another.
func escape(b []byte, text string, isKey bool) []byte {
	for i := range len(text) {
		switch c := text[i]; {
		case c == '\\', c == '|', isKey && (c == '=' || c == '*'):
			b = append(b, '\\', c)
		default:
			b = append(b, c)
		}
	}
	return b
}

// Key returns what [Match.AppendKey] has appended to nothing as the key of a check. One that would be longer than
// [sluice.MaxKeyBytes] is its SHA-256 instead: no other key begins with a lone '\' before 's'.
func Key(b []byte) string {
	if len(b) <= sluice.MaxKeyBytes {
		return string(b)
	}
	sum := sha256.Sum256(b)
	return `\sha256:` + hex.EncodeToString(sum[:])
}
