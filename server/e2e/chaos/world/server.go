//go:build unix

package world

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Server is one sluice process, and its ways to Redis. One goroutine at a time may use it, but its addresses never change.
type Server struct {
	Number           int
	HTTP, GRPC, RESP string // addresses

	ways    map[int]int // the ports of its proxies by the ports of the nodes
	proxies []*Proxy
	binary  string
	file    string
	secrets *Secrets // nil for none
	clock   string   // the file that says how far the clock is ahead; "" where it cannot be moved
	log     io.Writer
	process *process
}

// The servers that are not as the others: one has TLS and wants tokens, and of one the clock can be moved.
const (
	secured = 1
	moved   = 2
)

// addServer starts a server with a configuration, which is all but where it listens and where Redis is.
func (w *World) addServer(config string) error {
	s := &Server{Number: len(w.Servers), ways: map[int]int{}, binary: w.programs.Sluice, log: w.log(fmt.Sprintf("server%d", len(w.Servers)))}
	for _, n := range append(append([]*Node{}, w.Nodes...), w.sentinels...) {
		port, err := w.ports.free()
		if err != nil {
			return err
		}
		s.ways[n.port] = port
	}
	for to, port := range s.ways {
		proxy, err := newProxy(port, address(to), s.ways)
		if err != nil {
			return err
		}
		s.proxies = append(s.proxies, proxy)
	}
	var listen [3]string
	for i := range listen {
		port, err := w.ports.free()
		if err != nil {
			return err
		}
		listen[i] = address(port)
	}
	s.HTTP, s.GRPC, s.RESP = listen[0], listen[1], listen[2]
	s.file = filepath.Join(w.Dir, fmt.Sprintf("sluice%d.yaml", s.Number))
	listenMore, more := "", ""
	switch s.Number {
	case secured:
		var err error
		if s.secrets, err = newSecrets(s.Number, filepath.Join(w.Dir, "secrets")); err != nil {
			return err
		}
		listenMore, more = s.secrets.configuration()
	case moved:
		s.binary, s.clock = w.programs.MovedClock, filepath.Join(w.Dir, "clock")
	}
	text := fmt.Sprintf("listen: {http: %q, grpc: %q, resp: %q%s}\nstore: %q\n%s%s", s.HTTP, s.GRPC, s.RESP, listenMore, w.url(s), more, config)
	if err := os.WriteFile(s.file, []byte(text), 0o600); err != nil {
		return err
	}
	w.Servers = append(w.Servers, s)
	return s.Start()
}

// Start starts the process, and waits until it answers.
func (s *Server) Start() error {
	cmd := exec.Command(s.binary, "serve", "--config", s.file)
	cmd.Env = []string{} // which would beat the file
	if s.clock != "" {
		cmd.Env = append(cmd.Env, "CHAOS_CLOCK="+s.clock)
	}
	var err error
	if s.process, err = run(cmd, s.log); err != nil {
		return err
	}
	return wait(fmt.Sprintf("server %d is alive", s.Number), func() bool {
		status, _, err := s.Get("/healthz")
		return err == nil && status == http.StatusOK
	})
}

// Kill ends the process as a crash would.
func (s *Server) Kill() { s.process.kill() }

// Freeze stops the process where it is.
func (s *Server) Freeze() error { return s.process.signal(syscall.SIGSTOP) }

// Thaw lets it go on.
func (s *Server) Thaw() error { return s.process.signal(syscall.SIGCONT) }

// Died reports whether the process has ended though nobody has killed it, to be asked while nothing is done to it.
func (s *Server) Died() bool { return s.process.ended() }

// Each calls f for each of the server's ways to Redis.
func (s *Server) Each(f func(*Proxy)) {
	for _, p := range s.proxies {
		f(p)
	}
}

// client returns one that has no connection yet.
func (s *Server) client() *http.Client {
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: s.TLS()}}
}

// Get asks the server over HTTP, as one who may look at everything.
func (s *Server) Get(path string) (status int, body string, err error) {
	request, err := http.NewRequest(http.MethodGet, s.URL(path), nil)
	if err != nil {
		return 0, "", err
	}
	if s.secrets != nil {
		request.Header.Set("Authorization", "Bearer "+s.secrets.observer)
	}
	response, err := s.client().Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// Size returns how many goroutines the server has, and how many bytes it takes.
func (s *Server) Size() (goroutines, bytes int64, err error) {
	_, body, err := s.Get("/metrics")
	if err != nil {
		return 0, 0, err
	}
	for _, line := range strings.Split(body, "\n") {
		name, value, _ := strings.Cut(line, " ")
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		switch name {
		case "go_goroutines":
			goroutines = int64(number)
		case "process_resident_memory_bytes":
			bytes = int64(number)
		}
	}
	if goroutines == 0 || bytes == 0 {
		return 0, 0, fmt.Errorf("server %d does not say how many goroutines and bytes it has", s.Number)
	}
	return goroutines, bytes, nil
}
