//go:build unix

package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sluice-project/sluice/server/e2e/chaos/record"
	"github.com/sluice-project/sluice/server/e2e/chaos/world"
)

// ErrRedis is wrapped by the errors that say of Redis, and of nobody else, that it did not do what it was told to in time: a
// Sentinel that does not agree with the others, say. Nothing can be said of such a run, and it can be run again.
var ErrRedis = errors.New("breaking or mending Redis failed")

// Runner breaks a world by schedules, each one thing at a time, and sees that Redis is well again before the next is broken
// in it.
type Runner struct {
	world *world.World

	mu    sync.Mutex
	tell  func(record.Fault)
	notes []record.Fault

	lineage []string // of the shards, when it was seen last; of the track of Redis alone
	seen    int64    // before it was
	lost    int64    // when it was seen last before Redis could not be broken or mended, 0 where it always could
}

// NewRunner returns a runner that tells each fault when it is over. From now on it sees where another node becomes a master,
// so it is made before anybody asks.
func NewRunner(w *world.World, tell func(record.Fault)) *Runner {
	r := &Runner{world: w, tell: tell, seen: time.Now().UnixNano()}
	r.lineage = w.Lineage()
	return r
}

// Last looks for the last time whether another node has become a master, when nobody asks any more, and returns all that
// was broken.
func (r *Runner) Last() ([]record.Fault, error) {
	err := r.takenOver(nil, noShard)
	return r.notes, err
}

// Run breaks what all tracks break in some time, by a seed, and returns what was broken when. The error is that something
// cannot be mended any more, or that a server has ended by itself; nothing can be said of a run with one.
func (r *Runner) Run(seed uint64, length time.Duration) ([]record.Fault, error) {
	begin := time.Now()
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	var running sync.WaitGroup
	for i := range Tracks {
		running.Go(func() {
			schedule := Tracks[i].Schedule(seed, r.world.Topology, length, len(r.world.Servers))
			if err := r.run(ctx, &Tracks[i], schedule, begin, length); err != nil {
				stop(err)
			}
		})
	}
	running.Wait()
	if ctx.Err() == nil {
		if err := r.takenOver(nil, noShard); err != nil {
			stop(err)
		}
	}
	return r.notes, context.Cause(ctx)
}

// Lost returns a fault for the time in which nobody knows what Redis has forgotten, after an error of Redis's: since all was
// seen to be well for the last time.
func (r *Runner) Lost(until int64) record.Fault {
	return record.Fault{Kind: "lost", Target: "Redis", From: r.lost, To: until, Forgets: true, ForgetFrom: r.lost, ForgetTo: until, Shard: noShard}
}

// run breaks what a schedule says, until its time is over: where a failover takes long, there is no time for its last faults.
func (r *Runner) run(ctx context.Context, track *Track, schedule []Fault, begin time.Time, length time.Duration) error {
	for _, f := range schedule {
		r.sleep(time.Until(begin.Add(f.At)))
		if ctx.Err() != nil || time.Since(begin) > length {
			return nil
		}
		seen := int64(0)
		if !track.ofServers {
			seen = r.seen
		}
		if err := r.one(track, f); err != nil {
			if !track.ofServers {
				r.lost = seen
				err = fmt.Errorf("%w: %w", ErrRedis, err)
			}
			return fmt.Errorf("%s, at %s: %w", f.Kind, time.Since(begin).Round(time.Millisecond), err)
		}
	}
	return nil
}

func (r *Runner) one(track *Track, f Fault) error {
	if track.ofServers {
		for i, s := range r.world.Servers {
			if s.Died() {
				return fmt.Errorf("before it, server %d has ended by itself", i)
			}
		}
	}
	if !track.ofServers {
		if err := r.takenOver(nil, noShard); err != nil {
			return err
		}
	}
	note := record.Fault{Kind: f.Kind, From: time.Now().UnixNano(), Shard: noShard}
	err := track.kindOf(f.Kind).do(r, f, &note)
	if len(note.Servers) > 0 {
		note.Target = fmt.Sprintf("server %d", note.Servers[0])
	}
	if err == nil && !track.ofServers {
		err = r.world.WaitHealthy()
	}
	if err != nil {
		note.Note = err.Error()
	}
	note.To = time.Now().UnixNano()
	if note.Forgets && note.ForgetTo == 0 {
		note.ForgetTo = note.To
	}
	if !track.ofServers {
		_ = r.takenOver(&note, f.Shard) // whether Redis is well has been seen
	}
	r.write(note)
	return err
}

// write notes a fault that is over.
func (r *Runner) write(note record.Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, note)
	r.tell(note)
}

// noShard is the shard that no fault hits.
const noShard = -1

// takenOver sees whether another node has become a master since it was seen last, without having been told to: a busy
// machine is enough for that. What the one before had not told it yet is forgotten then. That is noted of the fault that
// was there meanwhile, and hit a shard, or where there was none of a fault of its own. The error is that Redis is not well
// afterwards.
func (r *Runner) takenOver(during *record.Fault, shard int) error {
	before, since := r.lineage, r.seen
	r.seen = time.Now().UnixNano()
	r.lineage = r.world.Lineage()
	changed, others := false, false // of any shard, and of those that the fault does not hit
	for i := range before {
		if before[i] != r.lineage[i] {
			changed = true
			others = others || i != shard
		}
	}
	if !changed || r.world.Topology == world.Single {
		return nil
	}
	if during == nil {
		// The one before goes on until it learns of it.
		err := r.world.WaitHealthy()
		r.seen = time.Now().UnixNano()
		r.lineage = r.world.Lineage()
		at := time.Now().UnixNano()
		r.write(record.Fault{Kind: "taken over", Target: "any shard", From: since, To: at, Forgets: true, ForgetFrom: since, ForgetTo: at, Shard: noShard})
		return err
	}
	// On a Cluster a master that hands over has told the next one all.
	told := during.Kind == handOver && r.world.Topology == world.Cluster
	if known := told || during.Forgets && during.ForgetTo >= during.To; known && !others {
		return nil
	}
	during.Forgets, during.ForgetFrom, during.ForgetTo, during.Shard = true, since, time.Now().UnixNano(), noShard
	during.Note += " (taken over)"
	return nil
}

func (track *Track) kindOf(name string) kind {
	return track.kinds[slices.IndexFunc(track.kinds, func(k kind) bool { return k.name == name })]
}

// sleep lets what is broken be broken for a while: this is about real time.
func (r *Runner) sleep(d time.Duration) {
	if d > 0 {
		time.Sleep(d)
	}
}
