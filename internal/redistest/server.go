package redistest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a server may take to start, to end or to answer; a machine under load is slow.
const patience = 20 * time.Second

// Options say how a server differs from a plain one. The zero Options are a server without password on a TCP port.
type Options struct {
	// Password is what clients must send; none by default.
	Password string
	// Unix makes the server listen on a Unix socket too, see [Server.Socket]; not by default.
	Unix bool
	// TLS makes the port speak TLS alone, with a certificate for 127.0.0.1, see [Server.TLS]; not by default.
	TLS bool
	// Args are more settings as on redis-server's command line, such as "--maxmemory", "10mb"; none by default.
	Args []string
}

// Server is one private redis-server. Its methods are safe for concurrent use, except that only one goroutine at a time
// may restart it. Those that take a test end it when they go wrong, so they are for the test's own goroutine.
type Server struct {
	options  Options
	cluster  bool
	sentinel bool
	dir      string
	port     int
	tls      *tls.Config

	mu      sync.Mutex
	process *process
}

// Start returns a running server that ends with the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{options: o}
	s.start(t)
	return s
}

var shared struct {
	mu     sync.Mutex
	server *Server
}

// Shared returns a plain server that all tests of the test binary share: it is started for the first who asks and ends
// with the binary. Where the system cannot promise that end (all but Linux), each test gets a server of its own.
// Tests that share it keep out of each other's way by their keys, and neither flush nor stop it.
func Shared(t testing.TB) *Server {
	t.Helper()
	if !endsWithParent {
		return Start(t, Options{})
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server == nil {
		s := &Server{dir: os.TempDir()} // it writes nothing there
		s.launch(t)
		shared.server = s
	}
	return shared.server
}

// Addr returns the host and port that the server listens on.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL returns redis://ADDR, or rediss://ADDR for TLS, with the password if there is one.
func (s *Server) URL() string {
	u := url.URL{Scheme: "redis", Host: s.Addr()}
	if s.options.TLS {
		u.Scheme = "rediss"
	}
	if s.options.Password != "" {
		u.User = url.UserPassword("", s.options.Password)
	}
	return u.String()
}

// Socket returns the path of the Unix socket, or "" where [Options] asked for none.
func (s *Server) Socket() string {
	if !s.options.Unix {
		return ""
	}
	return filepath.Join(s.dir, "redis.sock")
}

// TLS returns what a client needs to trust the server, or nil where [Options] did not ask for TLS.
func (s *Server) TLS() *tls.Config {
	if s.tls == nil {
		return nil
	}
	return s.tls.Clone()
}

// CAFile returns the path of the certificate that a client needs to trust the server, where [Options] asked for TLS.
func (s *Server) CAFile() string { return filepath.Join(s.dir, certificateFile) }

// Stop ends the server in good order, as an operator would. A server that has ended stays so.
func (s *Server) Stop() { s.running().stop() }

// Kill ends the server at once, as a crash would (kill -9). A server that has ended stays so.
func (s *Server) Kill() { s.running().kill() }

// Restart ends the server at once, if it runs, and starts it again on the same port, with nothing in it.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Kill()
	if err := s.begin(); err != nil {
		t.Fatalf("restart redis-server on %s: %v", s.Addr(), err)
	}
}

// Pause freezes the server (SIGSTOP): connections stay open and nothing answers. It returns once that is so: a busy
// machine may take a while to stop a process.
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	if err := pause(s.running().cmd.Process); err != nil {
		t.Fatalf("pause redis-server: %v", err)
	}
	for begun := time.Now(); s.answers(); {
		if time.Since(begun) > patience {
			t.Fatalf("pause redis-server: it still answers after %s", patience)
		}
	}
}

// answers reports whether the server says anything within a moment, be it an error.
func (s *Server) answers() bool {
	const moment = 20 * time.Millisecond
	conn, err := net.DialTimeout("tcp", s.Addr(), patience)
	if err != nil {
		return false
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(moment)); err != nil {
		return false
	}
	_, _ = conn.Write([]byte("PING\r\n"))
	_, err = conn.Read(make([]byte, 1))
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// Continue wakes a server from [Server.Pause].
func (s *Server) Continue(t testing.TB) {
	t.Helper()
	if err := resume(s.running().cmd.Process); err != nil {
		t.Fatalf("continue redis-server: %v", err)
	}
}

// Do sends one command on a connection of its own and returns the answer: a string, an int64, a nil, or a []any of
// them. An error that the server answers ends the test.
func (s *Server) Do(t testing.TB, args ...string) any {
	t.Helper()
	reply, err := s.do(args...)
	if err != nil {
		t.Fatalf("redis %s: %v", args[0], err)
	}
	return reply
}

// Try is [Server.Do] for a command that the server may refuse: then it returns that as an error. It is for any goroutine.
func (s *Server) Try(args ...string) (any, error) { return s.do(args...) }

// WaitForInfo asks the server until the reply to INFO SECTION has a text in it.
func (s *Server) WaitForInfo(t testing.TB, section, text string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !strings.Contains(fmt.Sprint(s.Do(t, "INFO", section)), text); {
		if time.Now().After(deadline) {
			t.Fatalf("INFO %s does not say %s within %s", section, text, patience)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *Server) running() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process
}

// start gives the server a directory of its own, launches it and has the test end it.
func (s *Server) start(t testing.TB) {
	t.Helper()
	dir, err := os.MkdirTemp("", "redis") // not t.TempDir: a socket's path must be short
	if err != nil {
		t.Fatalf("directory for redis-server: %v", err)
	}
	s.dir = dir
	if s.sentinel {
		if err := writeSentinelFile(dir); err != nil {
			t.Fatalf("file for redis-server --sentinel: %v", err)
		}
	}
	t.Cleanup(func() {
		if p := s.running(); p != nil {
			p.kill()
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the directory of redis-server: %v", err)
		}
	})
	s.launch(t)
}

// launch starts the server on a free port. Between finding a port and listening on it another process may take it:
// then another port will do.
func (s *Server) launch(t testing.TB) {
	t.Helper()
	if s.options.TLS {
		var err error
		if s.tls, err = writeCertificate(s.dir); err != nil {
			t.Fatalf("certificate for redis-server: %v", err)
		}
	}
	const tries = 5
	var err error
	for range tries {
		if s.port, err = freePort(s.cluster); err != nil {
			break
		}
		if err = s.begin(); err == nil {
			return
		}
		if !strings.Contains(err.Error(), "in use") {
			break
		}
	}
	t.Fatalf("start redis-server: %v", err)
}

// begin starts the process and waits until it answers.
func (s *Server) begin() error {
	p, err := run(s.settings())
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.process = p
	s.mu.Unlock()

	mine := fmt.Sprintf("process_id:%d\r\n", p.cmd.Process.Pid)
	deadline := time.Now().Add(patience)
	for {
		// Whoever else may have got the port would answer too, but not by our process id.
		if info, err := s.do("INFO", "server"); err == nil && strings.Contains(fmt.Sprint(info), mine) {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("it ended at once: %s", p.log.String())
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			p.kill()
			return fmt.Errorf("no answer within %s: %s", patience, p.log.String())
		}
	}
}

// settings are the command line.
func (s *Server) settings() []string {
	port := strconv.Itoa(s.port)
	if s.sentinel {
		return []string{filepath.Join(s.dir, sentinelFile), "--sentinel", "--bind", "127.0.0.1", "--dir", s.dir, "--port", port}
	}
	args := []string{
		"--bind", "127.0.0.1", "--dir", s.dir, "--daemonize", "no",
		"--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0", // a replica is in step at once
	}
	if s.options.TLS {
		args = append(
			args, "--port", "0", "--tls-port", port, "--tls-auth-clients", "no",
			"--tls-cert-file", filepath.Join(s.dir, certificateFile), "--tls-key-file", filepath.Join(s.dir, keyFile),
			"--tls-ca-cert-file", filepath.Join(s.dir, certificateFile),
		)
	} else {
		args = append(args, "--port", port)
	}
	if s.options.Password != "" {
		args = append(args, "--requirepass", s.options.Password, "--masterauth", s.options.Password)
	}
	if s.options.Unix {
		args = append(args, "--unixsocket", s.Socket())
	}
	if s.cluster {
		args = append(args, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf")
	}
	return append(args, s.options.Args...)
}

// freePort returns a loopback port that nobody listens on. A Cluster node also listens 10000 above its port.
func freePort(cluster bool) (int, error) {
	const tries = 50
	for range tries {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, fmt.Errorf("find a free port: %w", err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if !cluster {
			return port, nil
		}
		if bus, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+10000))); err == nil {
			bus.Close()
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a free port: none of %d is free together with the port 10000 above it", tries)
}
