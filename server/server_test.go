package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/policy/filesource"
	"github.com/sluice-project/sluice/server"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// log collects what a server says.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// running is a server that runs.
type running struct {
	t      *testing.T
	server *server.Server
	base   string // the URL of the HTTP door
	log    *log
	reload chan struct{}
	stop   context.CancelFunc
	done   chan struct{}
}

// run runs a server with the settings of flags, until the test ends or calls stop.
func run(t *testing.T, file string, flags map[string]string) *running {
	t.Helper()
	if _, given := flags["listen.http"]; !given {
		flags["listen.http"] = "127.0.0.1:0"
	}
	return serve(t, server.Config{File: file, Flags: flags})
}

// serve runs a server, until the test ends or calls stop.
func serve(t *testing.T, config server.Config) *running {
	t.Helper()
	r := &running{t: t, log: &log{}, reload: make(chan struct{}), done: make(chan struct{})}
	config.Logger = slog.New(slog.NewTextHandler(r.log, nil))
	s, err := server.New(config)
	if err != nil {
		t.Fatal(err)
	}
	r.server, r.base = s, "http://"+s.Addr("listen.http").String()
	ctx, cancel := context.WithCancel(t.Context())
	r.stop = cancel
	go func() {
		defer close(r.done)
		if err := s.Run(ctx, r.reload); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-r.done
	})
	return r
}

// ask sends a request and returns status and body.
func (r *running) ask(method, target, body string) (int, string) {
	r.t.Helper()
	request, err := http.NewRequest(method, r.base+target, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatalf("%s %s: %v\n%s", method, target, err, r.log)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

// eventually waits until something holds.
func (r *running) eventually(what string, holds func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("after %s it does not hold that %s; the log:\n%s", patience, what, r.log)
		}
	}
}

// answers reports whether an answer has a part.
func (r *running) answers(method, target, body, part string) func() bool {
	return func() bool {
		_, got := r.ask(method, target, body)
		return strings.Contains(got, part)
	}
}

func TestServesExample(t *testing.T) {
	t.Parallel()
	r := run(t, "", map[string]string{})
	if status, body := r.ask("POST", "/v1/check", `{"policy":"api","key":"alice"}`); status != 200 || !strings.Contains(body, `"remaining":19,`) {
		t.Errorf("the first check is answered %d %s, want 200 with 19 remaining", status, body)
	}
	if status, _ := r.ask("GET", "/v1/authorize/login", ""); status != 200 {
		t.Errorf("authorize login is answered %d, want 200", status)
	}
	_, metrics := r.ask("GET", "/metrics", "")
	for _, want := range []string{`sluice_decisions_total{outcome="allowed",policy="api",source="store"} 1`, "sluice_keys 2", "sluice_build_info{"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

func TestRefusesToStart(t *testing.T) {
	t.Parallel()
	faulty := filepath.Join(t.TempDir(), "sluice.yaml")
	if err := os.WriteFile(faulty, []byte("policies:\n  api: {limits: [10/fortnight]}\n  web: {limits: [1/s], bolck: {}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		config server.Config
		parts  []string
	}{
		"a faulty file":           {server.Config{File: faulty}, []string{"sluice.yaml:2:", "fortnight", "sluice.yaml:3:", "bolck"}},
		"an open address":         {server.Config{Flags: map[string]string{"listen.http": ":0"}}, []string{"listen.http", "listen.admin"}},
		"a store of another kind": {server.Config{Flags: map[string]string{"store": "mysql://user:secret@db"}}, []string{"--store", "redis://"}},
		"a store without a host":  {server.Config{Flags: map[string]string{"store": "redis://user:secret@:port"}}, []string{"--store"}},
		"an unknown parameter":    {server.Config{Flags: map[string]string{"store": "redis://user:secret@host?pool=1"}}, []string{"store", "pool"}},
	} {
		_, err := server.New(test.config)
		for _, part := range test.parts {
			if err == nil || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: error %v, want one with %q and no password", name, err, part)
			}
		}
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("policies: {api: {limits: [5/h]}}")
	r := run(t, file, map[string]string{})
	check := func(want string) func() bool {
		return r.answers("POST", "/v1/check", `{"policy":"api","key":"alice","cost":0}`, want)
	}
	r.eventually("the file is read", check(`"remaining":5,`))

	write("policies: {api: {limits: [7/h]}}")
	r.eventually("a change is seen without being asked for", check(`"remaining":7,`))

	write("policies: {api: {limits: [8/fortnight]}}")
	r.reload <- struct{}{}
	r.eventually("a faulty file is loud", func() bool { return strings.Contains(r.log.String(), "fortnight") })
	if !check(`"remaining":7,`)() {
		t.Error("a faulty file has changed the policies")
	}
	if _, metrics := r.ask("GET", "/metrics", ""); !strings.Contains(metrics, `sluice_config_loads_total{result="refused"} `) ||
		strings.Contains(metrics, `sluice_config_loads_total{result="refused"} 0`) {
		t.Error("a faulty file is not counted")
	}

	write("listen: {http: 0.0.0.0:8080}\npolicies: {api: {limits: [9/h]}}")
	r.reload <- struct{}{}
	// The flag beats the file, so that the address is still the one of the start.
	r.eventually("the next file is taken", check(`"remaining":9,`))

	write("store_timeout: 50ms\nallow_inline_limits: true\npolicies: {api: {limits: [10/h]}}")
	r.reload <- struct{}{}
	r.eventually("policies change beside settings that cannot", check(`"remaining":10,`))
	r.eventually("the settings that cannot are named", func() bool {
		return strings.Contains(r.log.String(), "settings=[store_timeout]")
	})
}

func TestReloadRefusesOpenAddress(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := probe.Addr().String()
	probe.Close()
	if err := os.WriteFile(file, fmt.Appendf(nil, "listen: {http: %q}\npolicies: {api: {limits: [5/h]}}", address), 0o600); err != nil {
		t.Fatal(err)
	}
	r := run(t, file, map[string]string{"listen.http": address})
	if err := os.WriteFile(file, []byte("listen: {admin: 0.0.0.0:8082}\npolicies: {api: {limits: [6/h]}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.eventually("an address where strangers would administer is refused", func() bool {
		return strings.Contains(r.log.String(), "the configuration is refused")
	})
	if !r.answers("POST", "/v1/check", `{"policy":"api","key":"alice"}`, `"remaining":4,`)() {
		t.Error("a refused file has changed the policies")
	}
}

func TestReloadWithoutFile(t *testing.T) {
	t.Parallel()
	r := run(t, "", map[string]string{})
	r.reload <- struct{}{}
	r.eventually("it says that there is nothing to read", func() bool { return strings.Contains(r.log.String(), "no configuration file to read again") })
}

func TestAdministrationApart(t *testing.T) {
	t.Parallel()
	r := run(t, "", map[string]string{"listen.admin": "127.0.0.1:0"})
	if status, body := r.ask("GET", "/v1/policies", ""); status != 404 || !strings.Contains(body, "listen.admin") {
		t.Errorf("administration at listen.http is answered %d %s, want 404 that names listen.admin", status, body)
	}
	r.base = "http://" + r.server.Addr("listen.admin").String()
	if status, _ := r.ask("GET", "/v1/policies", ""); status != 200 {
		t.Errorf("administration at listen.admin is answered %d, want 200", status)
	}
	if status, _ := r.ask("POST", "/v1/check", `{"policy":"api","key":"a"}`); status != 404 {
		t.Errorf("a check at listen.admin is answered %d, want 404", status)
	}
}

// A request under way ends as ever, by the store, and what comes after it is refused.
func TestGracefulStop(t *testing.T) {
	t.Parallel()
	r := run(t, "", map[string]string{"store": redistest.Shared(t).URL(), "key_prefix": t.Name() + ":"})
	address := r.server.Addr("listen.http").String()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := `{"policy":"api","key":"alice"}`
	begin := fmt.Sprintf("POST /v1/check HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", address, len(body))
	if _, err := io.WriteString(conn, begin); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 1000)
	if n, err := conn.Read(answer); err != nil || !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 100 ") {
		t.Fatalf("the request is answered %q, %v; want 100: it is under way", answer[:n], err)
	}
	r.stop()
	r.eventually("new connections are refused", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	select {
	case <-r.done:
		t.Fatal("the server has ended before the request under way")
	default:
	}
	if _, err := io.WriteString(conn, body); err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(conn) // until the server closes the connection
	if err != nil || !strings.Contains(string(whole), `"remaining":19,`) {
		t.Errorf("the request under way is answered %q, %v; want a decision", whole, err)
	}
	select {
	case <-r.done:
	case <-time.After(patience):
		t.Error("the server does not end after its last request")
	}
}

func TestValidateStore(t *testing.T) {
	t.Parallel()
	for store, part := range map[string]string{
		"memory":                                 "",
		"redis://127.0.0.1":                      "",
		"redis://:secret@127.0.0.1?pool=1":       `unknown parameter "pool"`,
		"redis://:secret@127.0.0.1/first":        "store: ",
		"rediss://:secret@h?ca_file=/none/a.pem": "ca_file",
		"redis://:sec/secret@127.0.0.1":          "store: ",
	} {
		file, err := filesource.Parse("sluice.yaml", fmt.Appendf(nil, "store: %q\n", store))
		if err != nil {
			continue // a fault of the file itself
		}
		err = server.Validate(file)
		if part == "" && err == nil {
			continue
		}
		if part == "" || err == nil || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "secret") {
			t.Errorf("Validate of store %s: %v, want an error with %q and without the password", store, err, part)
		}
	}
}
