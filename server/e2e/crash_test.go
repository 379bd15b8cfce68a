package e2e

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	// storeTimeout is how long the store has for a check in the tests of failures: with the grace it is a bound of the
	// servers' own histogram.
	storeTimeout = 200 * time.Millisecond
	// grace is how much longer than that a caller may wait for an answer.
	grace = 50 * time.Millisecond
	// noise is how much longer than that a call may take on a machine that does other things, besides the time for which
	// servers did not even say meanwhile that they are alive.
	noise = 100 * time.Millisecond
	// backAfter is how long servers may take to find a Redis that is back. A Cluster's node that comes back answers
	// nothing for two seconds.
	backAfter = 8 * time.Second
)

// TestKilled kills, under load, a server and then the Redis or a master of the Cluster, which comes back with nothing in
// it.
func TestKilled(t *testing.T) {
	for name, start := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // a Cluster starts slowly, and its node comes back slowly
			storeURL, nodes := start(t)
			f := startFleet(t, servers, config(storeURL, storeTimeout)+loadPolicies)
			l := startLoad(t, f)
			l.run(t, 0, 100)
			serverKilled := time.Now()
			f[0].Kill()
			l.run(t, 0, 300)
			requireExpiry(t, nodes)

			storeKilled := time.Now()
			nodes[0].Kill()
			l.run(t, 500*time.Millisecond, 10)
			nodes[0].Restart(t)
			storeBack := time.Now()
			l.settle(t, storeBack, 1, 2)
			requireExpiry(t, nodes)
			l.end()

			l.requireDecisions(t, 0, serverKilled)
			l.requireDecisions(t, 1, storeKilled)
			l.requireDecisions(t, 2, storeKilled)
			l.requireHotExactly(t, storeKilled)
			l.requireOthersDecided(t, len(nodes)-1, storeKilled, storeBack, 1, 2)
			l.requireInTime(t, 1, 2)
		})
	}
}

// TestFrozen freezes, under load, the Redis or a master of the Cluster, for longer than the client takes to lose faith in
// its connections and to try others.
func TestFrozen(t *testing.T) {
	for name, start := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait most of the time
			storeURL, nodes := start(t)
			f := startFleet(t, servers, config(storeURL, storeTimeout)+loadPolicies)
			l := startLoad(t, f)
			l.run(t, 0, 100)
			frozen := time.Now()
			nodes[0].Pause(t)
			l.run(t, 5*time.Second, 10)
			nodes[0].Continue(t)
			thawed := time.Now()
			l.settle(t, thawed, 0, 1, 2)
			requireExpiry(t, nodes)
			l.end()
			for server := range f {
				l.requireDecisions(t, server, frozen)
			}
			l.requireOthersDecided(t, len(nodes)-1, frozen, thawed, 0, 1, 2)
			l.requireInTime(t, 0, 1, 2)
		})
	}
}

// settle lets the callers go on until those servers give them nothing but what the store decides, and logs how long that
// took since it could.
func (l *load) settle(t *testing.T, back time.Time, servers ...int) {
	t.Helper()
	for {
		begin := time.Now()
		l.run(t, 200*time.Millisecond, 20)
		l.mu.Lock()
		since, undecided := time.Duration(0), 0
		for _, c := range l.calls {
			if c.outcome != fromTheStore && slices.Contains(servers, c.server) && c.ended().After(back) {
				since = max(since, c.ended().Sub(back))
				if c.began.After(begin) {
					undecided++
				}
			}
		}
		l.mu.Unlock()
		if undecided == 0 {
			t.Logf("%s after the store was back, it decided all checks again", since.Round(time.Millisecond))
			return
		}
		if time.Since(back) > backAfter {
			t.Errorf("%s after the store was back, %d calls were still not decided by it", time.Since(back), undecided)
			return
		}
	}
}

// requireDecisions looks at the calls to a server until a time, when nothing was wrong with it or the store: the store has
// decided each of them, unless the machine let the whole of its time go by; after a few such the store is not asked for a
// moment.
func (l *load) requireDecisions(t *testing.T, server int, until time.Time) {
	t.Helper()
	answered, late, unasked := 0, 0, 0
	for _, c := range l.calls {
		if c.server != server || c.ended().After(until) {
			continue
		}
		answered++
		switch {
		case c.outcome == fromTheStore:
		case (c.outcome == byOnError || c.outcome == storeProblem) && c.took >= storeTimeout:
			late++
		case c.outcome == byOnError || c.outcome == storeProblem:
			unasked++
		default:
			t.Errorf("%s of server %d: %s %v after %s, want it %s", c.way, server, c.outcome, c.err, c.took, fromTheStore)
		}
	}
	if answered == 0 || (late+unasked)*10 > answered || unasked > 0 && late == 0 {
		t.Errorf("of %d calls to server %d, %d took the store too long, and %d were not asked, before anything was wrong with it",
			answered, server, late, unasked)
	}
}

// requireOthersDecided looks at the calls about one key that were made while one of the Cluster's masters did not answer:
// as many should be decided as have a key on one of the others, which keys chosen at random have in equal parts.
func (l *load) requireOthersDecided(t *testing.T, others int, from, to time.Time, servers ...int) {
	t.Helper()
	if others == 0 {
		return
	}
	asked, decided := 0, 0
	for _, c := range l.calls {
		if c.began.Before(from) || c.ended().After(to) || c.way == batchCheck || c.way == hotCheck || !slices.Contains(servers, c.server) {
			continue
		}
		asked++
		if c.outcome == fromTheStore {
			decided++
		}
	}
	want := float64(others) / float64(others+1)
	t.Logf("while a master did not answer, the others decided %d of %d calls, in theory %.0f%%", decided, asked, 100*want)
	if float64(decided) < want*3/4*float64(asked) {
		t.Errorf("while a master did not answer, the others decided %d of %d calls, want about %.0f%%", decided, asked, 100*want)
	}
}

// requireHotExactly counts what was allowed of the hot key until the store was gone. Only the answers that a server took
// with it when it was killed can be missing.
func (l *load) requireHotExactly(t *testing.T, until time.Time) {
	t.Helper()
	allowed, lost := 0, 0
	for _, c := range l.calls {
		if c.way != hotCheck || c.ended().After(until) {
			continue
		}
		if c.allowed {
			allowed++
		}
		if c.outcome == broken {
			lost++
		}
	}
	t.Logf("%d checks of the hot key allowed, %d without an answer", allowed, lost)
	if allowed > hotCount || allowed+lost < hotCount {
		t.Errorf("%d checks of the hot key allowed, and %d lost, want %d", allowed, lost, hotCount)
	}
}

// requireInTime looks at all calls to servers that were not killed: each was answered, and in time.
func (l *load) requireInTime(t *testing.T, servers ...int) {
	t.Helper()
	var worst, alive call
	beyond := 0
	for _, c := range l.calls {
		if !slices.Contains(servers, c.server) {
			continue
		}
		if c.outcome == broken || c.outcome == refused || c.outcome == stopping {
			t.Errorf("%s of server %d: %s %v", c.way, c.server, c.outcome, c.err)
		}
		worst = slices.MaxFunc([]call{worst, c}, byTime)
		if c.took <= storeTimeout+grace {
			continue
		}
		beyond++
		if stalled := l.stalled(c); c.took > storeTimeout+grace+noise+stalled {
			t.Errorf("%s of server %d: %s after %s, want at most %s, and %s for the machine, which stalled for %s",
				c.way, c.server, c.outcome, c.took, storeTimeout+grace, noise, stalled)
		}
	}
	for _, p := range l.probes {
		if slices.Contains(servers, p.server) {
			alive = slices.MaxFunc([]call{alive, p}, byTime)
			if p.err != nil {
				t.Errorf("server %d: %v", p.server, p.err)
			}
		}
	}
	t.Logf("%d calls: the slowest, %s, took %s; %d took more than %s; the slowest /healthz took %s",
		len(l.calls), worst.way, worst.took, beyond, storeTimeout+grace, alive.took)
	for _, s := range servers {
		l.fleet[s].logStoreTimes(t)
	}
}

func byTime(a, b call) int { return cmp.Compare(a.took, b.took) }

// stalled returns for how long, during a call, those waited who asked whether the servers are alive. On a machine that
// does other things it may be any of the processes that is not let run, the test itself among them.
func (l *load) stalled(c call) (sum time.Duration) {
	const usual = 10 * time.Millisecond
	for _, p := range l.probes {
		if p.began.Before(c.ended()) && p.ended().After(c.began) {
			sum += max(0, p.took-usual)
		}
	}
	return sum
}

// logStoreTimes logs how long the store took for how many calls, as the server has measured it.
func (s *server) logStoreTimes(t *testing.T) {
	t.Helper()
	c := newClient()
	defer c.close()
	_, metrics, err := c.send(http.MethodGet, s.addr, "/metrics", "")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(metrics)) {
		for _, name := range []string{`duration_seconds_bucket{le="0.25"}`, `duration_seconds_bucket{le="+Inf"}`, "errors_total"} {
			if strings.HasPrefix(line, "sluice_store_"+name) {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
	}
	t.Logf("server at %s: %s", s.addr, strings.Join(lines, ", "))
}
