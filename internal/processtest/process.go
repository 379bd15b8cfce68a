//go:build unix

package processtest

import (
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience is how long a process may take to start, to end or to answer where a test is not about time; a machine under
// load is slow.
const Patience = 30 * time.Second

// Process is a program that runs until it ends by itself, is killed, or the test ends.
type Process struct {
	Cmd *exec.Cmd

	log    journal       // what it writes
	exited chan struct{} // closed when it has ended; then Cmd.ProcessState says how
}

// Start runs a command. What it writes to standard error, and to standard output unless the command has one, is shown
// where the test fails. It leads a process group of its own, so that what it starts itself ends with it.
func Start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{Cmd: cmd, exited: make(chan struct{})}
	p.log.changed = make(chan struct{})
	cmd.Stderr = &p.log
	if cmd.Stdout == nil {
		cmd.Stdout = &p.log
	}
	cmd.WaitDelay = Patience // for what it has started, and that holds its output open
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	tie(cmd.SysProcAttr)
	started := make(chan error, 1)
	go func() {
		// Where the system ends a child with its parent, the parent is the thread that started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.exited)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the process state says how it ended
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("start %s: %v", cmd, err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s %s wrote:\n%s", cmd, cmd.ProcessState, p.log.tail())
		}
	})
	return p
}

// Kill ends the process and what it has started at once (kill -9). One that has ended stays so.
func (p *Process) Kill() {
	select {
	case <-p.exited: // its number may be another's by now
		return
	default:
	}
	_ = syscall.Kill(-p.Cmd.Process.Pid, syscall.SIGKILL) // it fails for a process that has ended, which is what is wanted
	<-p.exited
}

// Stop asks the process to end (SIGTERM), and waits until it has.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	p.WaitExit(t)
}

// Freeze stops the process where it is (SIGSTOP) until it is thawed.
func (p *Process) Freeze(t testing.TB) {
	t.Helper()
	p.signal(t, syscall.SIGSTOP)
	for late := time.Now().Add(Patience); !isFrozen(p.Cmd.Process.Pid); time.Sleep(time.Millisecond) { // it may be answering
		if time.Now().After(late) {
			t.Fatalf("%s goes on %s after it was stopped", p.Cmd, Patience)
		}
	}
}

// Thaw lets a frozen process go on.
func (p *Process) Thaw(t testing.TB) {
	t.Helper()
	p.signal(t, syscall.SIGCONT)
}

func (p *Process) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := p.Cmd.Process.Signal(s); err != nil {
		t.Fatalf("send %s to %s: %v", s, p.Cmd, err)
	}
}

// Wait waits until the process has ended, by itself or by others, however long that takes.
func (p *Process) Wait() { <-p.exited }

// WaitExit waits until the process has ended by itself.
func (p *Process) WaitExit(t testing.TB) {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(Patience):
		t.Fatalf("%s has not ended after %s", p.Cmd, Patience)
	}
}

// WaitLog waits until the process has written a text, and returns the rest of that line.
func (p *Process) WaitLog(t testing.TB, text string) string {
	t.Helper()
	late := time.After(Patience)
	for ended := false; ; {
		written, changed := p.log.read()
		if _, after, found := strings.Cut(written, text); found {
			if rest, _, whole := strings.Cut(after, "\n"); whole {
				return rest
			}
		}
		if ended {
			t.Fatalf("%s ended (%s) before it wrote %q", p.Cmd, p.Cmd.ProcessState, text)
		}
		select {
		case <-changed:
		case <-p.exited:
			ended = true
		case <-late:
			t.Fatalf("%s has not written %q after %s", p.Cmd, text, Patience)
		}
	}
}

// journal keeps what a process writes. It is safe for concurrent use.
type journal struct {
	mu      sync.Mutex
	text    strings.Builder
	changed chan struct{} // closed, and replaced, when there is more
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	close(j.changed)
	j.changed = make(chan struct{})
	return j.text.Write(p)
}

func (j *journal) read() (text string, changed <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String(), j.changed
}

// tail returns the end of the text, where that which went wrong is.
func (j *journal) tail() string {
	const most = 8 << 10
	text, _ := j.read()
	return text[max(0, len(text)-most):]
}
