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
	"runtime"
	"testing"
	"time"

	"github.com/sluice-project/sluice/internal/processtest"
	sluiceserver "github.com/sluice-project/sluice/server"
)

// command is where the rest of the binary is.
const command = "../cmd/sluice"

// patience is how long a process may take to start, to end or to answer where a test is not about time; a machine under
// load is slow.
const patience = processtest.Patience

// patient is how long the store may take where a test is not about time: as long as a configuration can allow.
const patient = 10 * time.Second

// binary is the path of the sluice that is tested; [program] returns it to tests.
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
	binary = filepath.Join(dir, "sluice.exe") // the ending matters where programs have one and nowhere else
	build := exec.Command("go", "build", "-race=false", "-o", binary, command)
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%s: %w\n%s", build, err, out)
	}
	return m.Run(), nil
}

// program returns the path of the sluice that is tested.
//
// A test is run again when what is linked into it has changed, or a folder that it has looked into while it ran. The binary is
// built from both: the folder of the command, and the server, of which nothing would be linked if it were not used.
func program(t *testing.T) string {
	t.Helper()
	if _, err := os.ReadDir(command); err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive([]any{sluiceserver.New, (*sluiceserver.Server).Run})
	return binary
}
