package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// startPatience is how long a server may take until it answers.
const startPatience = 10 * time.Second

// process is a server that runs for the program alone.
type process struct {
	dir   string // of its own, removed at its end
	cmd   *exec.Cmd
	log   *bytes.Buffer // to be read when it has ended
	ended chan struct{}
}

// service is how a server is started.
type service struct {
	ports int // how many it listens on
	// command says what to run, on those addresses; dir is for its files.
	command func(dir string, addrs []string) (*exec.Cmd, error)
	// answers returns nil if the server with that process id does.
	answers func(ctx context.Context, pid int, addrs []string) error
}

// launch starts a server on free loopback ports and returns when it answers. Another process may take a port before it
// does: then it is started again on others.
func launch(ctx context.Context, s service) (*process, []string, error) {
	const tries = 5
	var err error
	for range tries {
		var p *process
		var addrs []string
		if p, addrs, err = s.start(ctx); err == nil {
			return p, addrs, nil
		}
		if p == nil {
			return nil, nil, err
		}
		p.stop()
		log := strings.TrimSpace(p.log.String())
		err = fmt.Errorf("start %s on %s: %w: %s", p.cmd.Path, strings.Join(addrs, ", "), err, log)
		if !strings.Contains(log, "in use") {
			break
		}
	}
	return nil, nil, err
}

// start tries once. It returns a process, which is to be stopped, where one was started.
func (s service) start(ctx context.Context) (p *process, addrs []string, err error) {
	if addrs, err = freeAddresses(s.ports); err != nil {
		return nil, nil, err
	}
	p = &process{log: &bytes.Buffer{}, ended: make(chan struct{})}
	if p.dir, err = os.MkdirTemp("", "sluice-bench"); err != nil {
		return nil, nil, err
	}
	if p.cmd, err = s.command(p.dir, addrs); err == nil {
		p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
		err = p.cmd.Start()
	}
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(p.dir))
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // it is told to end; how it did is no news
	}()
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		err := s.answers(ctx, p.cmd.Process.Pid, addrs)
		if err == nil {
			return p, addrs, nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-p.ended:
			return p, addrs, errors.New("it has ended")
		case <-ctx.Done():
			return p, addrs, fmt.Errorf("it does not answer: %w", err)
		}
	}
}

// stop ends the server.
func (p *process) stop() {
	_ = p.cmd.Process.Kill() // it fails where the server has ended, which is what is wanted
	<-p.ended
	_ = os.RemoveAll(p.dir)
}

// cpu returns how much processor time the server has used so far, by Linux's account of it, which has ticks of 10 ms.
func (p *process) cpu() (time.Duration, error) { return cpuOf(p.cmd.Process.Pid) }

func cpuOf(pid int) (time.Duration, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, fmt.Errorf("processor time can be read on Linux only: %w", err)
	}
	// The name of the program comes second, in brackets, and may have spaces: the state is the first field behind it, the
	// times in user mode and in the kernel are the 12th and the 13th.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("the account of process %d has %d fields", pid, len(fields))
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	kernel, err := strconv.ParseInt(fields[12], 10, 64)
	if err != nil {
		return 0, err
	}
	const tick = 10 * time.Millisecond
	return time.Duration(user+kernel) * tick, nil
}

// freeAddresses returns addresses on loopback that nobody listens on.
func freeAddresses(n int) ([]string, error) {
	var addrs []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // when all are found, so that they differ
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}

func portOf(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }
