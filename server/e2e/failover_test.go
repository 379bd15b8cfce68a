package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-project/sluice/internal/redistest"
)

// failovers start what servers share, with replicas: a master behind three sentinels with two, or a Cluster with one for each
// of its masters. They return what to kill, and who may take the place of its master.
var failovers = map[string]func(*testing.T) (url string, lose, next []*redistest.Server){
	"sentinel": func(t *testing.T) (string, []*redistest.Server, []*redistest.Server) {
		master := redistest.Start(t, redistest.Options{})
		replicas := []*redistest.Server{redistest.StartReplica(t, master), redistest.StartReplica(t, master)}
		sentinels := redistest.StartSentinels(t, 3, "main", master)
		for _, s := range sentinels {
			s.WaitForInfo(t, "sentinel", "slaves=2")
		}
		// The first sentinel goes with its master, as one on the same machine does, and it is the one that the servers ask.
		return redistest.SentinelURL("main", sentinels), []*redistest.Server{sentinels[0], master}, replicas
	},
	"cluster": func(t *testing.T) (string, []*redistest.Server, []*redistest.Server) {
		c := redistest.StartClusterOf(t, redistest.ClusterOptions{Replicas: true, NodeTimeout: time.Second})
		owner := c.Owner(hotSlot)
		for i, s := range c.Nodes {
			if s == owner {
				return c.URL(), []*redistest.Server{s}, c.Replicas[i : i+1]
			}
		}
		panic("a slot has no master")
	},
}

// hotSlot is the slot of a Cluster that the keys of the key "hot" of the policy "hot" are in.
const hotSlot = 13478

// failoverCount is the limit of the hot key where a master is lost: more than is used up until then.
const failoverCount = 1000

// longestGap is how long it may take until another master is there and all servers have found it, on a machine under load.
const longestGap = 20 * time.Second

// TestFailover kills, under load, a master that has replicas. The servers are not touched: what they decide without the store
// is between its death and the first decisions of the one that has taken its place, and the limit of a key that is checked
// all the time is exceeded by no more than the new one had not been told.
func TestFailover(t *testing.T) {
	for name, start := range failovers {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait most of the time
			storeURL, lose, next := start(t)
			policies := strings.Replace(loadPolicies, "150/366d", "1000/366d", 1)
			f := startFleet(t, servers, config(storeURL, storeTimeout)+policies)
			l := startLoad(t, f)
			l.run(t, 0, 50)
			lost := time.Now()
			for _, s := range lose {
				s.Kill()
			}
			l.run(t, time.Second, 1)
			for !l.settled(lost) {
				l.run(t, 200*time.Millisecond, 20)
				if time.Since(lost) > longestGap {
					t.Fatalf("%s after its master was lost, the store does not decide all checks again", longestGap)
				}
			}
			for begun := time.Now(); !l.hotUsedUp(lost); l.run(t, 0, 20) {
				if time.Since(begun) > patience {
					t.Fatal("the hot key is not used up")
				}
			}
			role := ""
			for _, s := range next {
				role += s.Do(t, "INFO", "replication").(string)
			}
			if !strings.Contains(role, "role:master") {
				t.Error("none of the replicas is a master: the test shows nothing")
			}
			l.end()
			for server := range f {
				l.requireDecisions(t, server, lost)
			}
			l.requireInTime(t, 0, 1, 2)
			l.requireGap(t, lost)
		})
	}
}

// settled reports whether every call that has begun in the last 200 ms was decided by the store, and some since it was lost
// were not.
func (l *load) settled(lost time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	undecided, recent := 0, 0
	for _, c := range l.calls {
		if c.outcome == fromTheStore || c.began.Before(lost) {
			continue
		}
		undecided++
		if time.Since(c.ended()) < 200*time.Millisecond {
			recent++
		}
	}
	return undecided > 0 && recent == 0
}

// hotUsedUp reports whether the store has refused the hot key since it was lost.
func (l *load) hotUsedUp(lost time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.calls {
		if c.way == hotCheck && c.began.After(lost) && c.outcome == fromTheStore && !c.allowed {
			return true
		}
	}
	return false
}

// requireGap says how long the store was lost, and counts what was allowed of the hot key: at most its limit and what a
// master may have admitted in its last second without telling its replicas.
func (l *load) requireGap(t *testing.T, lost time.Time) {
	t.Helper()
	var last time.Duration
	undecided, allowed, perhaps, untold := 0, 0, 0, 0
	for _, c := range l.calls {
		if c.outcome != fromTheStore && c.ended().After(lost) {
			undecided++
			last = max(last, c.ended().Sub(lost))
		}
		switch {
		case c.way != hotCheck:
		case c.outcome != fromTheStore:
			perhaps++
		case c.allowed:
			allowed++
			if before := lost.Sub(c.ended()); before > -storeTimeout && before < time.Second {
				untold++
			}
		}
	}
	t.Logf("the store was lost for %s, in which %d of %d calls were decided without it; of the hot key %d checks were allowed, limit %d",
		last.Round(time.Millisecond), undecided, len(l.calls), allowed, failoverCount)
	if allowed > failoverCount+untold || allowed+perhaps < failoverCount {
		t.Errorf("%d checks of the hot key were allowed, and %d perhaps, want %d, and no more than %d besides that were not told",
			allowed, perhaps, failoverCount, untold)
	}
}
