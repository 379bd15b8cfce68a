//go:build unix

package processtest_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-project/sluice/internal/processtest"
)

func TestLogAndStop(t *testing.T) {
	t.Parallel()
	p := processtest.Start(t, exec.Command("sh", "-c", `echo "port=1234 ready"; echo more >&2; exec sleep 60`))
	if got := p.WaitLog(t, "port="); got != "1234 ready" {
		t.Errorf("the rest of the line is %q, want %q", got, "1234 ready")
	}
	p.WaitLog(t, "more") // standard error, too
	p.Stop(t)
	if got := p.Cmd.ProcessState.String(); got != "signal: terminated" {
		t.Errorf("the process ended with %q, want that it was asked to", got)
	}
	p.Kill() // one that has ended stays so
}

// What a process has started ends with it.
func TestKillEndsAll(t *testing.T) {
	t.Parallel()
	p := processtest.Start(t, exec.Command("sh", "-c", "sleep 60 & echo child=$!; wait"))
	child := 0
	if _, err := fmt.Sscan(p.WaitLog(t, "child="), &child); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	gone := func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child))
		if runtime.GOOS != "linux" {
			return syscall.Kill(child, 0) != nil
		}
		return err != nil || strings.Contains(string(stat), ") Z ")
	}
	for late := time.Now().Add(processtest.Patience); !gone(); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("the process %d that a killed one had started still runs", child)
		}
	}
}

func TestProcessThatDoesNotListen(t *testing.T) {
	t.Parallel()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p := processtest.Start(r, exec.Command("false"))
		p.WaitListening(r, processtest.FreeAddr(r))
	}()
	<-done
	if !strings.Contains(r.fatal, "ended (exit status 1) before it listened on 127.0.0.1:") {
		t.Errorf("waiting for a process that has ended says %q, want that it has ended", r.fatal)
	}
}

func TestFreeAddrsDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		addr := processtest.FreeAddr(t)
		if seen[addr] {
			t.Fatalf("%s was given twice", addr)
		}
		seen[addr] = true
	}
}

// recorder is a test whose end by Fatalf is recorded and ends the goroutine alone.
type recorder struct {
	testing.TB
	fatal string
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal = fmt.Sprintf(format, args...)
	runtime.Goexit()
}
