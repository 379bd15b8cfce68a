//go:build e2e

// Package doors tries every door of the server with the programs that are meant to come in by it: real proxies, and real
// clients in other languages, in front of a small backend that records what reaches it. They are told of Sluice by the
// configurations of examples/ as they are shipped, of which only the addresses are replaced.
//
// make e2e brings the programs and runs the tests; a test whose program is not there fails and says so. To add one:
//
//  1. Where the program is new, give it a row in tools/programs/table.go, with its version.
//  2. Start Sluice with [serve], what it limits with [newBackend], and the program with [program] and
//     [processtest.Start]. A program that cannot choose its own port listens at a [processtest.FreeAddr] and is waited for
//     with WaitListening. All of them end with the test, and show what they wrote where it fails.
//  3. Take its configuration from examples/ with [example], or give it one of its own.
//  4. Ask [from] an address, and compare with what the backend has seen.
//
// The tests run side by side: none may count on being alone.
package doors

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// sluice is the path of the binary that is tested.
var sluice string

func TestMain(m *testing.M) {
	status, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

func buildAndRun(m *testing.M) (status int, err error) {
	dir, err := os.MkdirTemp("", "sluice")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	sluice = filepath.Join(dir, "sluice")
	build := exec.Command("go", "build", "-race=false", "-o", sluice, "../../cmd/sluice")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%s: %w\n%s", build, err, out)
	}
	return m.Run(), nil
}
