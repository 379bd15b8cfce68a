package e2e

import (
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a program that runs until it ends by itself, is killed, or the test ends.
type process struct {
	cmd    *exec.Cmd
	log    journal       // its standard error
	exited chan struct{} // closed when it has ended; then cmd.ProcessState says how
}

// start runs a command. What it has written to standard error is shown where the test fails.
func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, exited: make(chan struct{})}
	p.log.changed = make(chan struct{})
	cmd.Stderr = &p.log
	tie(cmd)
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
		p.kill()
		if t.Failed() {
			t.Logf("%s %s wrote:\n%s", cmd, cmd.ProcessState, p.log.tail())
		}
	})
	return p
}

// kill ends the process at once (kill -9). One that has ended stays so.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it fails for a process that has ended, which is what is wanted
	<-p.exited
}

// waitExit waits until the process has ended by itself.
func (p *process) waitExit(t *testing.T) {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		t.Fatalf("%s has not ended after %s", p.cmd, patience)
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

// waitLog waits until the process has written a text, and returns the rest of that line.
func (p *process) waitLog(t *testing.T, text string) string {
	t.Helper()
	late := time.After(patience)
	for ended := false; ; {
		written, changed := p.log.read()
		if _, after, found := strings.Cut(written, text); found {
			if rest, _, whole := strings.Cut(after, "\n"); whole {
				return rest
			}
		}
		if ended {
			t.Fatalf("%s ended (%s) before it wrote %q", p.cmd, p.cmd.ProcessState, text)
		}
		select {
		case <-changed:
		case <-p.exited:
			ended = true
		case <-late:
			t.Fatalf("%s has not written %q after %s", p.cmd, text, patience)
		}
	}
}

// freeze stops the process where it is (SIGSTOP) until it is thawed.
func (p *process) freeze(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}

func (p *process) thaw(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}
