//go:build unix

// Package callers asks the servers of a run by every door, as their clients would, and notes what it is answered and when.
//
// Each caller is a goroutine that asks one server by one door, at a pace: real clients of HTTP, gRPC and Redis that never
// ask twice by themselves. What they ask about is drawn from a generator of their own, by the seed of the run; which
// instant that falls on is not the seed's to say.
package callers

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sluice-project/sluice/server/e2e/chaos/plan"
	"github.com/sluice-project/sluice/server/e2e/chaos/record"
	"github.com/sluice-project/sluice/server/e2e/chaos/world"
)

// patience is how long a client waits for an answer before it gives up.
const patience = 2 * time.Second

// Callers are all who ask.
type Callers struct {
	plan     *plan.Plan
	stop     context.CancelFunc
	running  sync.WaitGroup
	unwatch  context.CancelFunc
	watching sync.WaitGroup // longer than the last check is under way

	mu     sync.Mutex
	checks []record.Check
	pings  []record.Ping
	asked  int // pings, the quick ones too
	late   []record.Ping
}

// door is how a caller asks: it makes a client of a server, which asks about some subjects and writes the answers.
type door struct {
	door     record.Door
	callers  int // for each server
	together int // how many checks one question has
	pace     time.Duration
	policies []string
	client   func(s *world.Server, p *plan.Plan) (client, error)
}

type client interface {
	// ask fills in what was answered.
	ask(checks []record.Check)
	close()
}

// hot are the policies of the servers whose keys are few.
var hot = []string{"bucket", "window", "coarse", "fixed", "aligned", "counter", "both", "lent", "scarce", "cached", "shared", "parted"}

// doors are all ways, with about a thousand checks a second for each server.
var doors = []door{
	{record.HTTPCheck, 2, 1, 25 * time.Millisecond, hot, newHTTPCheck},
	{record.HTTPBatch, 1, 66, 125 * time.Millisecond, append([]string{"cold", "cold", "cold", "cold", "cold", "cold"}, hot...), newHTTPBatch},
	{record.Authorize, 1, 1, 25 * time.Millisecond, []string{"bucket", "window", "fixed", "both", "shared"}, newAuthorize},
	{record.Envoy, 2, 1, 25 * time.Millisecond, []string{"envoy.window", "envoy.bucket"}, newEnvoy},
	{record.RESPCheck, 1, 25, 90 * time.Millisecond, append([]string{"cold", "cold", "cold"}, hot...), newRESPCheck},
	{record.Throttle, 1, 12, 80 * time.Millisecond, []string{plan.Throttle}, newThrottle},
}

// Start has callers ask the servers of a world until they are stopped, which the caller sees to after an error, too.
func Start(w *world.World, p *plan.Plan, seed uint64) (*Callers, error) {
	ctx, stop := context.WithCancel(context.Background())
	watch, unwatch := context.WithCancel(context.Background())
	c := &Callers{plan: p, stop: stop, unwatch: unwatch}
	for _, s := range w.Servers {
		for _, d := range doors {
			for i := range d.callers {
				cl, err := d.client(s, p)
				if err != nil {
					return c, err
				}
				dice := rand.New(rand.NewPCG(seed, uint64(s.Number)<<16|uint64(d.door)<<8|uint64(i)))
				c.running.Go(func() { c.call(ctx, d, cl, s.Number, dice) })
			}
		}
		c.watching.Go(func() { c.ping(watch, s) })
	}
	c.watching.Go(func() { c.watchClock(watch) })
	return c, nil
}

// Stop ends all callers and writes what they have seen into a run.
func (c *Callers) Stop(run *record.Run) (pings int) {
	c.stop()
	c.running.Wait()
	c.unwatch()
	c.watching.Wait()
	run.Checks, run.Pings, run.Late = c.checks, c.pings, c.late
	return c.asked
}

// costs are what a check may cost, each as likely as the others.
var costs = []uint16{1, 1, 1, 2, 3, 5}

func (c *Callers) call(ctx context.Context, d door, cl client, server int, dice *rand.Rand) {
	defer cl.close()
	var all []record.Check
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.checks = append(c.checks, all...)
	}()
	pace := time.NewTicker(d.pace)
	defer pace.Stop()
	for {
		select {
		case <-pace.C:
		case <-ctx.Done():
			return
		}
		first := len(all)
		for range d.together {
			name := d.policies[dice.IntN(len(d.policies))]
			all = append(all, record.Check{
				Subject: uint16(c.plan.First[name] + dice.IntN(c.plan.Count[name])), Cost: costs[dice.IntN(len(costs))],
				Remaining: record.Unknown, Door: d.door, Server: uint8(server),
			})
		}
		asked := all[first:]
		begin := time.Now()
		cl.ask(asked)
		took := time.Since(begin)
		for i := range asked {
			asked[i].Asked, asked[i].Took = begin.UnixNano(), int64(took)
		}
	}
}

// failed writes that checks have no decision, because of an error of the client's.
func failed(checks []record.Check, err error) {
	ending := endingOf(err)
	for i := range checks {
		checks[i].Ending = ending
	}
}

func endingOf(err error) record.Ending {
	timeout := net.Error(nil)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), strings.Contains(err.Error(), "connection refused"):
		return record.Refused
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return record.Silent
	}
	return record.Broken
}
