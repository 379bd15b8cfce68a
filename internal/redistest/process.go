package redistest

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// process is one run of a redis-server.
type process struct {
	cmd    *exec.Cmd
	log    tail
	exited chan struct{} // closed when it has ended
}

// run starts the binary.
func run(args []string) (*process, error) {
	binary, err := binary()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(binary, args...), exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	tie(p.cmd)
	started := make(chan error, 1)
	go func() {
		// Where the system ends a child with its parent, the parent is the thread that started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.exited)
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // that it was killed is no news
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) stop() {
	if p.cmd.Process.Signal(os.Interrupt) == nil {
		select {
		case <-p.exited:
			return
		case <-time.After(patience):
		}
	}
	p.kill()
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it fails for a process that has ended, which is what is wanted
	<-p.exited
}

// binary returns the path of the redis-server to run.
func binary() (string, error) {
	name := os.Getenv("SLUICE_REDIS_SERVER")
	if name == "" {
		name = "redis-server"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%w: install it by \"sudo apt-get install redis-server\" (Debian, Ubuntu) or "+
			"\"brew install redis\" (macOS), or name another one in SLUICE_REDIS_SERVER", err)
	}
	return path, nil
}

// tail keeps the end of what a server logs, for the message of a start that went wrong.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (l *tail) Write(p []byte) (int, error) {
	const most = 4096
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if len(l.text) > most {
		l.text = append(l.text[:0], l.text[len(l.text)-most:]...)
	}
	return len(p), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}
