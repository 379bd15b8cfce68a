package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-project/sluice/internal/redistest"
)

// terminate asks a server to end, as an operator does.
func (s *server) terminate(t *testing.T) {
	t.Helper()
	if err := s.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("terminate the server at %s: %v", s.addr, err)
	}
}

// requireGoodEnd waits until the server has ended, and looks at how.
func (s *server) requireGoodEnd(t *testing.T) {
	t.Helper()
	s.WaitExit(t)
	if !s.Cmd.ProcessState.Success() {
		t.Errorf("the server at %s was terminated and ended with %s, want success", s.addr, s.Cmd.ProcessState)
	}
}

// TestTerminatedUnderLoad ends one server after the other. Whoever asks gets a whole answer, or no connection.
func TestTerminatedUnderLoad(t *testing.T) {
	storeURL := redistest.Start(t, redistest.Options{}).URL()
	f := startFleet(t, servers, config(storeURL, patient)+loadPolicies)
	l := startLoad(t, f)
	for _, s := range f {
		l.run(t, 0, 200)
		s.terminate(t)
		s.requireGoodEnd(t)
	}
	l.end()
	outcomes := map[outcome]int{}
	for _, c := range l.calls {
		outcomes[c.outcome]++
		if c.outcome != fromTheStore && c.outcome != stopping && c.outcome != refused {
			t.Errorf("%s of server %d: %s %v", c.way, c.server, c.outcome, c.err)
		}
	}
	t.Logf("calls by how they ended: %v", outcomes)
	l.requireHotExactly(t, time.Now())
}

// TestTerminatedAmidRequests ends a server that has begun to read requests: it takes no new ones, answers those, and
// only then ends.
func TestTerminatedAmidRequests(t *testing.T) {
	storeURL := redistest.Start(t, redistest.Options{}).URL()
	s := startFleet(t, 1, config(storeURL, patient)+loadPolicies)[0]
	body := question{Policy: "open", Key: "alice", Cost: 1}.String()
	underWay := make([]*conn, clients)
	for i := range underWay {
		c := newClient()
		defer c.close()
		k, err := c.connect(s.addr)
		if err != nil {
			t.Fatal(err)
		}
		underWay[i] = k
		// Whoever is asked to say when to go on with the body says so when it begins to read it.
		fmt.Fprintf(k, "POST /v1/check HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", s.addr, len(body))
		if a := k.read(); a.status != http.StatusContinue {
			t.Fatalf("the head of request %d: %d %s %v, want 100 Continue", i, a.status, a.body, a.err)
		}
	}
	s.terminate(t)
	s.WaitLog(t, "stopping")
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		late, err := net.Dial("tcp", s.addr)
		if errors.Is(err, syscall.ECONNREFUSED) {
			break
		}
		if err == nil {
			late.Close()
		}
		if time.Now().After(deadline) {
			t.Fatalf("a server that is stopping can still be reached after %s: %v", patience, err)
		}
	}
	for i, k := range underWay {
		fmt.Fprint(k, body)
		a := k.read()
		want := fmt.Sprintf(`"remaining":%d,`, 1000000-1-i)
		if a.status != http.StatusOK || !strings.Contains(string(a.body), want) {
			t.Errorf("the answer to request %d, which was under way: %d %s %v, want 200 with %s", i, a.status, a.body, a.err, want)
		}
	}
	s.requireGoodEnd(t)
}
