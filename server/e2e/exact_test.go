package e2e

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
)

const (
	// servers is how many sluice processes share a store.
	servers = 3
	// clients is how many callers fire at them.
	clients = 6
)

// fleetChecks returns how many checks are fired at each key: SLUICE_FLEET_CHECKS, or a number that takes seconds.
func fleetChecks(t *testing.T) int {
	t.Helper()
	const variable, least = "SLUICE_FLEET_CHECKS", count * 3 / 2
	text := os.Getenv(variable)
	if text == "" {
		return least
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least {
		t.Fatalf("%s is %q; it must be a whole number from %d on, such as 300000", variable, text, least)
	}
	return n
}

// TestExactly fires many more checks at a key than it has units for, from several clients at several servers, from
// several processes that use the library, one by one and in batches: no interleaving admits one too many or one too few.
func TestExactly(t *testing.T) {
	for name, start := range stores {
		t.Run(name, func(t *testing.T) {
			storeURL, nodes := start(t)
			period := quietPeriod()
			e := exactly{storeURL: storeURL, period: period, policies: policies(period), checks: fleetChecks(t)}
			e.fleet = startFleet(t, servers, config(storeURL, patient, e.policies...))
			t.Run("one by one", e.oneByOne)
			t.Run("in batches", e.inBatches)
			t.Run("library", e.library)
			requireExpiry(t, nodes)
		})
	}
}

// exactly is what its parts share.
type exactly struct {
	fleet    fleet
	storeURL string
	period   time.Duration
	policies []sluice.Policy // with that period
	checks   int             // at each key
}

// each runs f for every policy, at cost 1 and at a cost that does not divide the limit.
func (e exactly) each(t *testing.T, f func(t *testing.T, policy int, key string, cost int64) (allowed int)) {
	for i, p := range e.policies {
		for _, cost := range []int64{1, 7} {
			t.Run(fmt.Sprintf("%s at cost %d", p.Name, cost), func(t *testing.T) {
				key := fmt.Sprintf("%s at %d", t.Name(), cost)
				start := time.Now()
				allowed := f(t, i, key, cost)
				took := time.Since(start)
				t.Logf("%d of %d checks allowed in %s, %.0f/s", allowed, e.checks, took.Round(time.Millisecond), float64(e.checks)/took.Seconds())
				if want := int(count / cost); allowed != want {
					t.Errorf("%d of %d checks allowed, want %d", allowed, e.checks, want)
				}
				e.requireUsed(t, p, key, count/cost*cost)
				e.requireRest(t, p, key, count%cost)
			})
		}
	}
}

// requireUsed looks at what each limit has left: what was allowed is charged to all of them, what was refused to none.
func (e exactly) requireUsed(t *testing.T, p sluice.Policy, key string, used int64) {
	t.Helper()
	c := newClient()
	defer c.close()
	for _, s := range e.fleet {
		d, err := c.peek(s.addr, p.Name, key)
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range p.Limits {
			if got, want := d.Limits[i].Remaining, l.Capacity()-used; got != want || d.Limits[i].Name != l.Name() {
				t.Errorf("%s has %d remaining of limit %s, want %d of %s", s.addr, got, d.Limits[i].Name, want, l.Name())
			}
		}
	}
}

// requireRest takes the units that were too few for one more check, and finds that there are no more than those.
func (e exactly) requireRest(t *testing.T, p sluice.Policy, key string, rest int64) {
	t.Helper()
	c := newClient()
	defer c.close()
	for i, cost := range []int64{rest + 1, rest, 1} {
		d, err := c.check(e.fleet[i].addr, question{Policy: p.Name, Key: key, Cost: cost}.String())
		if err != nil {
			t.Fatal(err)
		}
		if want := i == 1; d.Allowed != want {
			t.Errorf("a check of cost %d at the end: allowed %t, want %t", cost, d.Allowed, want)
		}
	}
}

func (e exactly) oneByOne(t *testing.T) {
	e.each(t, func(t *testing.T, policy int, key string, cost int64) int {
		ask := question{Policy: e.policies[policy].Name, Key: key, Cost: cost}.String()
		var allowed atomic.Int64
		concurrently(clients, func(i int) {
			c := newClient()
			defer c.close()
			for j := range share(e.checks, i, clients) {
				d, err := c.check(e.fleet[(i+j)%servers].addr, ask)
				if err != nil {
					t.Error(err)
					return
				}
				if d.Allowed {
					allowed.Add(1)
				}
			}
		})
		return int(allowed.Load())
	})
}

// concurrently runs f n times at once and waits for all.
func concurrently(n int, f func(i int)) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { f(i) })
	}
	group.Wait()
}
