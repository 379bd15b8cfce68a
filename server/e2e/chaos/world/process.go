//go:build unix

package world

import (
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// patience is how long a process may take to start or to end, or to do what it was told; a machine under load is slow.
const patience = 60 * time.Second

// process is one run of a program.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended
}

// run starts a program that ends with this one.
func run(cmd *exec.Cmd, log io.Writer) (*process, error) {
	p := &process{cmd: cmd, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = log, log
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
			_ = cmd.Wait() // that it was killed is no news
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// ended reports whether it has ended.
func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// kill ends it at once. One that has ended stays so.
func (p *process) kill() {
	if !p.ended() {
		_ = p.cmd.Process.Kill() // it fails for a process that has ended, which is what is wanted
	}
	<-p.exited
}

// stop has it end in good order.
func (p *process) stop() {
	_ = p.signal(syscall.SIGTERM) // else it is killed below
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.kill()
	}
}

func (p *process) signal(s syscall.Signal) error {
	if p.ended() {
		return fmt.Errorf("%s has ended", p.cmd.Path)
	}
	return p.cmd.Process.Signal(s)
}
