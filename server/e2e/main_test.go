// Package e2e proves of the whole what no part can prove of itself: that several sluice processes in front of one Redis
// decide as one, and that they keep their word when one of them, or Redis, is killed.
//
// Its tests start everything that they speak to: the sluice binary, built once, redis-servers, and the test binary
// itself as a program that uses the library. Nothing in it is simulated. It imports the library, the starters of
// processes and redis-servers and the standard library, and asks the server over HTTP only.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluice-project/sluice/internal/processtest"

	// A test is run again when what it imports or opens has changed, but the binary is only built by it: this is what the
	// binary is made of.
	_ "github.com/sluice-project/sluice/server"
)

// command is where the rest of the binary is.
const command = "../cmd/sluice"

// patience is how long a process may take to start, to end or to answer where a test is not about time; a machine under
// load is slow.
const patience = processtest.Patience

// patient is how long the store may take where a test is not about time: as long as a configuration can allow.
const patient = 10 * time.Second

// binary is the path of the sluice that is tested.
var binary string

// TestMain builds the binary, unless the process is a worker that a test has started.
func TestMain(m *testing.M) {
	switch os.Getenv(workerVariable) {
	case "":
	case spenderMode:
		if err := spend(os.Stdin); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	case attackerMode:
		if err := beHostile(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	default:
		work(os.Stdin, os.Stdout)
		return
	}
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
	binary = filepath.Join(dir, "sluice.exe")      // the ending matters where programs have one and nowhere else
	if _, err := os.ReadDir(command); err != nil { // so that it counts as opened
		return 0, err
	}
	build := exec.Command("go", "build", "-race=false", "-o", binary, command)
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%s: %w\n%s", build, err, out)
	}
	return m.Run(), nil
}
