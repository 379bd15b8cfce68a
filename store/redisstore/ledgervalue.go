package redisstore

import (
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/sluice-project/sluice/store/ledger"
)

//go:embed scripts/commit.lua
var commitSource string

//go:embed scripts/look.lua
var lookSource string

// ledgerScript is a script that is sent as it is, and how Redis knows it once it has seen it.
type ledgerScript struct{ source, sha string }

var (
	commitScript = newLedgerScript(commitSource)
	lookScript   = newLedgerScript(lookSource)
)

func newLedgerScript(source string) *ledgerScript {
	sum := sha1.Sum([]byte(source))
	return &ledgerScript{source, hex.EncodeToString(sum[:])}
}

// versionField is the field of the entries' hash that holds their version. Those of entries have a NUL.
const versionField = "version"

// entryField is the field of an entry.
func entryField(kind, name string) string { return kind + "\x00" + name }

// unpackVersion reads the version and the version that was restored, 8 bytes each.
func unpackVersion(value string) (version, restored ledger.Version, err error) {
	if len(value) < 16 {
		return 0, 0, foreign(fmt.Sprintf("the version has %d bytes, want 16", len(value)))
	}
	return ledger.Version(bigEndian(value[:8])), ledger.Version(bigEndian(value[8:16])), nil
}

// unpackEntry reads an entry: 8 bytes of its revision, then what it says.
func unpackEntry(field, value string) (ledger.Entry, error) {
	kind, name, ok := strings.Cut(field, "\x00")
	if !ok || len(value) < 8 {
		return ledger.Entry{}, foreign(fmt.Sprintf("the field %.64q is no entry", field))
	}
	revision := ledger.Version(bigEndian(value[:8]))
	return ledger.Entry{Kind: kind, Name: name, Revision: revision, Value: []byte(value[8:])}, nil
}
