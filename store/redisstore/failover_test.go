package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

// crowd is callers who check one key, one after the other, until they are stopped.
type crowd struct {
	limiter *sluice.Limiter
	stop    chan struct{}
	work    sync.WaitGroup

	mu                 sync.Mutex
	allowed, uncertain int64
	latest             time.Time // when a check was allowed last
	errors             []failure
	slowest            time.Duration
}

// failure is a check that ended with an error.
type failure struct {
	at  time.Time
	err error
}

func startCrowd(t *testing.T, l *sluice.Limiter, callers int) *crowd {
	t.Helper()
	c := &crowd{limiter: l, stop: make(chan struct{})}
	for range callers {
		c.work.Go(c.ask)
	}
	t.Cleanup(c.end)
	return c
}

func (c *crowd) ask() {
	for {
		select {
		case <-c.stop:
			return
		default:
		}
		asked := time.Now()
		d, err := c.limiter.Check(context.Background(), "k", 1)
		ended := time.Now()
		c.mu.Lock()
		c.slowest = max(c.slowest, ended.Sub(asked))
		switch {
		case err != nil:
			c.errors = append(c.errors, failure{ended, err})
			if errors.Is(err, sluice.ErrUncertain) {
				c.uncertain++
			}
		case d.Allowed:
			c.allowed++
			c.latest = ended
		}
		c.mu.Unlock()
		time.Sleep(time.Millisecond) // the load of many who ask now and then, not of a few who do nothing else
	}
}

// end stops the callers.
func (c *crowd) end() {
	c.mu.Lock()
	select {
	case <-c.stop:
	default:
		close(c.stop)
	}
	c.mu.Unlock()
	c.work.Wait()
}

// so far returns how many checks were allowed, and may have been.
func (c *crowd) soFar() (allowed, uncertain int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.allowed, c.uncertain
}

// awaitAllowed waits until so many checks more were allowed.
func (c *crowd) awaitAllowed(t *testing.T, more int64) {
	t.Helper()
	began, _ := c.soFar()
	for late := time.Now().Add(3 * patient); ; time.Sleep(time.Millisecond) {
		if now, _ := c.soFar(); now >= began+more {
			return
		}
		if time.Now().After(late) {
			c.mu.Lock()
			defer c.mu.Unlock()
			t.Fatalf("no %d checks more were allowed within %s; the last error is %v", more, 3*patient, c.errors[max(0, len(c.errors)-1):])
		}
	}
}

// awaitInStep waits until replicas have all that their master had when it was called.
func awaitInStep(t *testing.T, master *redistest.Server, replicas []*redistest.Server) {
	t.Helper()
	offset := func(s *redistest.Server, field string) int64 {
		_, rest, _ := strings.Cut(fmt.Sprint(s.Do(t, "INFO", "replication")), field+":")
		digits, _, _ := strings.Cut(rest, "\r")
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			t.Fatalf("INFO replication says %s:%s", field, digits)
		}
		return n
	}
	want := offset(master, "master_repl_offset")
	for _, s := range replicas {
		for late := time.Now().Add(patient); offset(s, "slave_repl_offset") < want; time.Sleep(time.Millisecond) {
			if time.Now().After(late) {
				t.Fatalf("a replica is not in step within %s", patient)
			}
		}
	}
}

// TestFailover has masters die or freeze under load, behind Sentinel and on a Cluster. There are errors until another server has
// taken the place, and none afterwards; nobody waits longer than his time; and the limit is exceeded by no more than
// what the new master had not been told, because Redis replicates without waiting.
func TestFailover(t *testing.T) {
	t.Parallel()
	const (
		timeout = 200 * time.Millisecond
		callers = 8
		count   = 1_000_000
	)
	type place struct {
		url    string
		master *redistest.Server // of the key k
		next   []*redistest.Server
	}
	sentinel := func(t *testing.T) place {
		master := redistest.Start(t, redistest.Options{})
		replicas := []*redistest.Server{redistest.StartReplica(t, master), redistest.StartReplica(t, master)}
		sentinels := redistest.StartSentinels(t, 1, "main", master)
		sentinels[0].WaitForInfo(t, "sentinel", "slaves=2")
		return place{redistest.SentinelURL("main", sentinels), master, replicas}
	}
	cluster := func(t *testing.T) place {
		c := redistest.StartClusterOf(t, redistest.ClusterOptions{Replicas: true, NodeTimeout: time.Second})
		store := newStore(t, newClient(t, c.URL()), redisstore.Config{})
		master := c.Owner(int(store.Slot("api", "k")))
		for i, s := range c.Nodes {
			if s == master {
				return place{c.URL(), master, c.Replicas[i : i+1]}
			}
		}
		panic("a slot has no master")
	}
	kill := func(_ *testing.T, s *redistest.Server) { s.Kill() }
	freeze := func(t *testing.T, s *redistest.Server) { s.Pause(t) }
	for name, test := range map[string]struct {
		start func(*testing.T) place
		lose  func(*testing.T, *redistest.Server)
	}{
		"Sentinel, the master dies":    {sentinel, kill},
		"Sentinel, the master freezes": {sentinel, freeze},
		"Cluster, a master dies":       {cluster, kill},
		"Cluster, a master freezes":    {cluster, freeze},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := test.start(t)
			l := newLimiter(t, newClient(t, at.url), redisstore.Config{Timeout: timeout}, sluice.PerDay(count))
			c := startCrowd(t, l, callers)
			c.awaitAllowed(t, 200)
			told, _ := c.soFar() // of which all that may take its place know
			awaitInStep(t, at.master, at.next)
			test.lose(t, at.master)
			lost := time.Now()
			afterAllowed, _ := c.soFar()
			time.Sleep(2 * timeout) // all that were under way have ended
			c.awaitAllowed(t, 1)
			gap := time.Since(lost)
			c.awaitAllowed(t, 500)
			c.end()

			last := time.Time{}
			for _, f := range c.errors {
				if f.at.After(last) {
					last = f.at
				}
			}
			t.Logf("the gap is %s, the last error %s after the master was lost; %d errors, %d may have been charged; slowest %s",
				gap.Round(time.Millisecond), last.Sub(lost).Round(time.Millisecond), len(c.errors), c.uncertain, c.slowest)
			if after := time.Since(last); last.Sub(lost) > gap+time.Second {
				t.Errorf("errors went on until %s before the end, and the gap was %s", after, gap)
			}
			if len(c.errors) == 0 {
				t.Error("there was no error: the test shows nothing")
			}
			if c.slowest > timeout+late {
				t.Errorf("a caller waited %s, want no more than %s", c.slowest, timeout)
			}
			d, err := l.Peek(t.Context(), "k")
			if err != nil {
				t.Fatal(err)
			}
			used := count - d.Remaining
			// What was admitted on the lost master in its last moments may be unknown to the new one.
			forgotten := c.allowed - used
			t.Logf("%d allowed, %d used: the new master was not told of %d", c.allowed, used, max(0, forgotten))
			if most := afterAllowed - told + callers; forgotten > most {
				t.Errorf("%d units were forgotten, want no more than %d", forgotten, most)
			}
			if used > c.allowed+c.uncertain {
				t.Errorf("%d units are used after %d checks were allowed and %d may have been", used, c.allowed, c.uncertain)
			}
			role := ""
			for _, s := range at.next {
				role += fmt.Sprint(s.Do(t, "INFO", "replication"))
			}
			if !strings.Contains(role, "role:master") {
				t.Errorf("none of the replicas is a master: the test shows nothing")
			}
			if test.lose != nil && strings.Contains(name, "freezes") {
				at.master.Continue(t) // it is to find out that it is a replica, and the store stays with the new one
				for range 50 {
					if _, err := l.Check(t.Context(), "k", 1); err != nil {
						t.Errorf("after the old master is back: %v", err)
						break
					}
				}
			}
		})
	}
}

// TestSilentSentinel has a master die after the Sentinel that the client listens to has frozen: the others tell it.
func TestSilentSentinel(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t, redistest.Options{})
	redistest.StartReplica(t, master)
	sentinels := redistest.StartSentinels(t, 3, "main", master)
	for _, s := range sentinels {
		s.WaitForInfo(t, "sentinel", "slaves=1")
	}
	l := newLimiter(t, newClient(t, redistest.SentinelURL("main", sentinels)), redisstore.Config{Timeout: time.Second}, sluice.PerDay(1_000_000))
	c := startCrowd(t, l, 1)
	c.awaitAllowed(t, 10)
	sentinels[0].Pause(t)
	master.Kill()
	c.awaitAllowed(t, 2) // of which one may have been under way
}

// TestClosedConnections has a client close the connection to a frozen server, as it does with that of a master when Sentinel has
// named another. What was sent by it is carried out when the server thaws: its callers must not be told that it was not.
func TestClosedConnections(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	// The client is as patient as the store: it must not give up by itself before it is told to close.
	client := newClient(t, server.URL()+"?write_timeout=10s")
	l := newLimiter(t, client, redisstore.Config{Timeout: patient}, sluice.PerHour(1000))
	ask := func(fault func(error)) *sync.WaitGroup {
		var all sync.WaitGroup
		for i := range 16 { // resets, because they are all sent by one connection
			all.Go(func() { fault(l.Reset(t.Context(), fmt.Sprint("k", i))) })
		}
		return &all
	}
	ask(func(err error) { // from now on the client sends by its queue
		if err != nil {
			t.Error(err)
		}
	}).Wait()
	server.Pause(t)
	all := ask(func(err error) {
		if !errors.Is(err, sluice.ErrUncertain) {
			t.Errorf("by a connection to a frozen server that the client has closed: %v, want ErrUncertain", err)
		}
	})
	time.Sleep(100 * time.Millisecond) // until they are under way
	client.Close()
	all.Wait()
	server.Continue(t)
}

// TestLostMaster has a master be away that nobody takes the place of, after the client has lost the Sentinel that it listens to, or
// another one. What the client does about it must not become more and more, and ends when the master is back.
func TestLostMaster(t *testing.T) { // not beside others: it counts goroutines
	for name, lose := range map[string]func(t *testing.T, master *redistest.Server, sentinels []*redistest.Server) (back func()){
		"the master": func(t *testing.T, master *redistest.Server, _ []*redistest.Server) func() {
			master.Kill()
			return func() { master.Restart(t) }
		},
		"the master and a Sentinel": func(t *testing.T, master *redistest.Server, sentinels []*redistest.Server) func() {
			master.Kill()
			sentinels[0].Kill()
			return func() { master.Restart(t) }
		},
		"a Sentinel, and the master freezes": func(t *testing.T, master *redistest.Server, sentinels []*redistest.Server) func() {
			master.Pause(t)
			sentinels[0].Kill()
			return func() { master.Continue(t) }
		},
		"a Sentinel, and the master takes another password": func(t *testing.T, master *redistest.Server, sentinels []*redistest.Server) func() {
			c := master.Connect(t)
			do := func(args ...string) {
				if _, err := c.Do(args...); err != nil {
					t.Fatal(err)
				}
			}
			do("CONFIG", "SET", "requirepass", "new")
			do("CLIENT", "KILL", "TYPE", "normal")
			sentinels[0].Kill()
			return func() { do("CONFIG", "SET", "requirepass", "") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			master := redistest.Start(t, redistest.Options{})
			sentinels := redistest.StartSentinels(t, 3, "main", master)
			l := newLimiter(t, newClient(t, redistest.SentinelURL("main", sentinels)), redisstore.Config{Timeout: time.Second}, sluice.PerDay(1_000_000))
			c := startCrowd(t, l, 1)
			c.awaitAllowed(t, 10)
			before := runtime.NumGoroutine()
			back := lose(t, master, sentinels)
			time.Sleep(3 * time.Second)
			if now := runtime.NumGoroutine(); now > before+50 {
				t.Errorf("there were %d goroutines before, and are %d", before, now)
			}
			back()
			c.awaitAllowed(t, 10)
		})
	}
}
