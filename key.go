package sluice

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// MaxKeyBytes is the length of the longest key.
const MaxKeyBytes = 4096

// ValidateKey returns an [*InvalidError] unless the key is 1 to [MaxKeyBytes] bytes. Any bytes will do: a key is
// compared byte by byte and needs to be no text.
func ValidateKey(key string) error {
	switch {
	case key == "":
		return &InvalidError{Field: "key", Problem: "it is empty; it must be 1 to 4096 bytes that say who is limited"}
	case len(key) > MaxKeyBytes:
		return &InvalidError{Field: "key", Problem: fmt.Sprintf("it has %d bytes; it must be 1 to 4096: send a hash of a longer one", len(key))}
	}
	return nil
}

// ValidateCost returns an [*InvalidError] unless the cost is 0 to [MaxCount].
func ValidateCost(cost int64) error {
	if cost < 0 || cost > MaxCount {
		return &InvalidError{Field: "cost", Problem: fmt.Sprintf("it is %d; it must be a whole number from 0 to %d", cost, int64(MaxCount))}
	}
	return nil
}

// ValidateRefund returns an [*InvalidError] unless the units to give back are 0 to [MaxCount].
func ValidateRefund(units int64) error {
	if units < 0 || units > MaxCount {
		return &InvalidError{Field: "refund", Problem: fmt.Sprintf("it is %d; it must be a whole number from 0 to %d", units, int64(MaxCount))}
	}
	return nil
}

// JoinKey makes one key of several parts, such as an address and a path, so that different lists of parts always make
// different keys: '|' separates them, and '\' stands before a '|' or '\' that is in a part. One part that needs no
// escape is the key as it is. A key that would be longer than [MaxKeyBytes] is its SHA-256 instead, so that nobody leaves his
// limit by sending a longer path.
func JoinKey(parts ...string) string {
	key := ""
	if len(parts) == 1 && !strings.ContainsAny(parts[0], `\|`) {
		key = parts[0]
	} else {
		var b strings.Builder
		for i, p := range parts {
			if i > 0 {
				b.WriteByte('|')
			}
			for j := range len(p) {
				if p[j] == '|' || p[j] == '\\' {
					b.WriteByte('\\')
				}
				b.WriteByte(p[j])
			}
		}
		key = b.String()
	}
	if len(key) <= MaxKeyBytes {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return `\sha256:` + hex.EncodeToString(sum[:]) // a lone '\' before 's' begins no joined key
}
