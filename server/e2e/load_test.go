package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// load is callers who ask all servers of a fleet, in every way, until they are ended.
type load struct {
	fleet fleet
	stop  chan struct{}
	group sync.WaitGroup

	mu     sync.Mutex
	calls  []call
	made   [clients]int // how many are of each caller
	probes []call       // of a path that asks no store: the time that they take is that of the machine
}

// call is one call and what came of it.
type call struct {
	server  int
	way     string
	began   time.Time
	took    time.Duration
	outcome outcome
	allowed bool  // by the store; of a single check only
	err     error // why it is broken
}

func (c call) ended() time.Time { return c.began.Add(c.took) }

// outcome says how a call ended.
type outcome string

const (
	fromTheStore outcome = "decided by the store"
	byOnError    outcome = "decided by on_error" // as far as a batch is concerned, at least one of its checks
	storeProblem outcome = "problem: the store failed"
	stopping     outcome = "problem: the server is stopping"
	refused      outcome = "connection refused"
	broken       outcome = "broken"
)

// loadPolicies are what the callers ask by: ways in which a server can answer without the store, and a limit that is
// used up soon.
const (
	loadPolicies = `
  open: {limits: [1000000/h], on_error: allow}
  closed: {limits: [1000000/h burst 1000, 500000/day fixed-window], on_error: deny}
  hot: {limits: [150/366d], on_error: deny}
`
	hotCount = 150
)

// ways are the calls that a caller makes in turn. None of the keys runs out but that of the policy hot.
var ways = []struct {
	name string
	ask  func(c *client, addr string) (outcome, bool, error)
}{
	{"check, allow on error", func(c *client, addr string) (outcome, bool, error) {
		return c.judged(http.MethodPost, addr, "/v1/check", question{Policy: "open", Key: someKey(), Cost: 1}.String())
	}},
	{"check, deny on error", func(c *client, addr string) (outcome, bool, error) {
		return c.judged(http.MethodPost, addr, "/v1/check", question{Policy: "closed", Key: someKey(), Cost: 1}.String())
	}},
	{hotCheck, func(c *client, addr string) (outcome, bool, error) {
		return c.judged(http.MethodPost, addr, "/v1/check", question{Policy: "hot", Key: "hot", Cost: 1}.String())
	}},
	{batchCheck, func(c *client, addr string) (outcome, bool, error) {
		batch := make([]question, 20)
		for i := range batch {
			batch[i] = question{Policy: [...]string{"open", "closed"}[i%2], Key: someKey(), Cost: 1}
		}
		return c.judged(http.MethodPost, addr, "/v1/checks", toJSON(map[string]any{"checks": batch}))
	}},
	{"check by the caller's own limits", func(c *client, addr string) (outcome, bool, error) {
		return c.judged(http.MethodPost, addr, "/v1/check", toJSON(map[string]any{"limits": []string{"1000000/h"}, "key": someKey()}))
	}},
	{"look at a key", func(c *client, addr string) (outcome, bool, error) {
		return c.judged(http.MethodGet, addr, "/v1/policies/open/key?key="+someKey(), "")
	}},
}

const (
	hotCheck   = "check of the hot key"
	batchCheck = "batch"
)

func someKey() string { return fmt.Sprintf("key-%d", rand.IntN(100)) }

// startLoad starts the callers.
func startLoad(t *testing.T, f fleet) *load {
	l := &load{fleet: f, stop: make(chan struct{})}
	for i := range clients {
		l.group.Go(func() { l.call(i) })
	}
	for i := range f {
		l.group.Go(func() { l.probe(i) })
	}
	t.Cleanup(l.end)
	return l
}

// call makes one call after the other.
func (l *load) call(caller int) {
	c := newClient()
	defer c.close()
	for i := caller; ; i++ {
		select {
		case <-l.stop:
			return
		default:
		}
		way := ways[i%len(ways)]
		made := call{server: (i/len(ways) + caller) % len(l.fleet), way: way.name, began: time.Now()}
		made.outcome, made.allowed, made.err = way.ask(c, l.fleet[made.server].addr)
		made.took = time.Since(made.began)
		l.mu.Lock()
		l.calls = append(l.calls, made)
		l.made[caller]++
		l.mu.Unlock()
	}
}

// probe asks a server often whether it is alive. What it records begins when it wanted to ask, so that it tells of a
// machine that did not let it, too.
func (l *load) probe(server int) {
	const pause = 2 * time.Millisecond
	c := newClient()
	defer c.close()
	for {
		made := call{server: server, way: "probe", began: time.Now().Add(pause)}
		select {
		case <-l.stop:
			return
		case <-time.After(pause):
		}
		status, answer, err := c.send(http.MethodGet, l.fleet[server].addr, "/healthz", "")
		made.took = time.Since(made.began)
		if made.err = err; err == nil && status != http.StatusOK {
			made.err = fmt.Errorf("GET /healthz: %d %s", status, answer)
		}
		l.mu.Lock()
		l.probes = append(l.probes, made)
		l.mu.Unlock()
	}
}

// run lets the callers go on for a time, until each has ended so many more calls.
func (l *load) run(t *testing.T, least time.Duration, calls int) {
	t.Helper()
	begin := time.Now()
	l.mu.Lock()
	first := l.made
	l.mu.Unlock()
	for {
		time.Sleep(5 * time.Millisecond) // the processes that are tested go by real time
		l.mu.Lock()
		slowest := calls
		for i, n := range l.made {
			slowest = min(slowest, n-first[i])
		}
		l.mu.Unlock()
		passed := time.Since(begin)
		if passed >= least && slowest >= calls {
			return
		}
		if passed > least+patience {
			t.Fatalf("a caller has ended %d calls within %s, want %d", slowest, passed, calls)
		}
	}
}

// end stops the callers. After it nothing is added to what they have recorded.
func (l *load) end() {
	l.mu.Lock()
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.mu.Unlock()
	l.group.Wait()
}

// judged makes a call and says how it ended.
func (c *client) judged(method, addr, path, body string) (o outcome, allowed bool, err error) {
	status, answer, err := c.send(method, addr, path, body)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return refused, false, nil
	}
	if err != nil {
		return broken, false, err
	}
	var says struct {
		decision
		Decisions []decision
		Type      string // of a problem
	}
	if err := json.Unmarshal(answer, &says); err != nil {
		return broken, false, fmt.Errorf("%w in %q", err, answer)
	}
	_, kind, _ := strings.Cut(says.Type, "#")
	switch {
	case status == http.StatusOK:
		o, err = judge(append(says.Decisions, says.decision)[:max(1, len(says.Decisions))])
		return o, says.Allowed && o == fromTheStore, err
	case status == http.StatusServiceUnavailable && (kind == "store-failed" || kind == "store-uncertain"):
		return storeProblem, false, nil
	case status == http.StatusServiceUnavailable && kind == "draining":
		return stopping, false, nil
	}
	return broken, false, fmt.Errorf("%s %s: %d %s", method, path, status, answer)
}

// judge says who made decisions, and finds fault with one that on_error does not give.
func judge(decisions []decision) (outcome, error) {
	o := fromTheStore
	for _, d := range decisions {
		switch {
		case d.Source == "store":
		case d.Source == "error-policy" && d.Allowed == (d.Policy == "open"):
			o = byOnError
		default:
			return broken, fmt.Errorf("a decision that nobody can have made: %+v", d)
		}
	}
	return o, nil
}
