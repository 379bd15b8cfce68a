package redistest_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sluice-project/sluice/internal/redistest"
)

func TestStart(t *testing.T) {
	for name, o := range map[string]redistest.Options{
		"plain":    {},
		"password": {Password: "open:sesame@"},
		"unix":     {Unix: true},
		"tls":      {TLS: true},
		"args":     {Args: []string{"--maxmemory", "10mb"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, o)
			if got := s.Do(t, "SET", "k", "a\r\nb"); got != "OK" {
				t.Errorf("SET = %v, want OK", got)
			}
			if got := s.Do(t, "GET", "k"); got != "a\r\nb" {
				t.Errorf("GET = %q, want %q", got, "a\r\nb")
			}
			if o.Unix {
				conn, err := net.Dial("unix", s.Socket())
				if err != nil {
					t.Fatal(err)
				}
				conn.Close()
			}
			if o.TLS {
				conn, err := tls.Dial("tcp", s.Addr(), s.TLS())
				if err != nil {
					t.Fatal(err)
				}
				conn.Close()
			}
			if o.Args != nil {
				want := []any{"maxmemory", "10485760"}
				if got := s.Do(t, "CONFIG", "GET", "maxmemory"); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("CONFIG GET maxmemory = %v, want %v", got, want)
				}
			}
		})
	}
}

func TestURL(t *testing.T) {
	s := redistest.Start(t, redistest.Options{Password: "p@ss"})
	if got, want := s.URL(), "redis://:p%40ss@"+s.Addr(); got != want {
		t.Errorf("URL() = %q, want %q", got, want)
	}
}

func TestRestartForgets(t *testing.T) {
	s := redistest.Start(t, redistest.Options{})
	addr := s.Addr()
	for _, end := range []func(){s.Stop, s.Kill, func() {}} {
		s.Do(t, "SET", "k", "v")
		end()
		s.Restart(t)
		if s.Addr() != addr {
			t.Fatalf("restarted on %s, want %s", s.Addr(), addr)
		}
		if got := s.Do(t, "GET", "k"); got != nil {
			t.Errorf("GET after a restart = %v, want nil", got)
		}
	}
}

func TestPause(t *testing.T) {
	s := redistest.Start(t, redistest.Options{})
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s.Pause(t)
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, len("+PONG\r\n"))
	if err := conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(answer); err == nil {
		t.Errorf("a paused server answered %q", answer[:n])
	}
	s.Continue(t)
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(answer); err != nil {
		t.Errorf("a continued server does not answer: %v", err)
	}
}

func TestSharedIsOne(t *testing.T) {
	if a, b := redistest.Shared(t), redistest.Shared(t); a != b {
		t.Errorf("Shared returned %s, then %s", a.Addr(), b.Addr())
	}
}

func TestCluster(t *testing.T) {
	c := redistest.StartCluster(t)
	if len(c.Nodes) != 3 {
		t.Fatalf("%d nodes, want 3", len(c.Nodes))
	}
	// "foo" is in slot 12182, "hello" in 866, "c" in 7365: a key for each third.
	for i, key := range []string{"hello", "c", "foo"} {
		if got := c.Nodes[i].Do(t, "SET", key, "v"); got != "OK" {
			t.Errorf("SET %s on node %d = %v, want OK", key, i, got)
		}
	}
}

func TestMissingBinarySaysWhatToInstall(t *testing.T) {
	t.Setenv("SLUICE_REDIS_SERVER", "no-such-redis-server")
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		redistest.Start(r, redistest.Options{})
	}()
	<-done
	for _, want := range []string{"no-such-redis-server", "apt-get install redis-server", "SLUICE_REDIS_SERVER"} {
		if !strings.Contains(r.fatal, want) {
			t.Errorf("Start without a binary says %q, which does not contain %q", r.fatal, want)
		}
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
