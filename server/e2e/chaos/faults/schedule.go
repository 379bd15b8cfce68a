//go:build unix

// Package faults is what is broken, when, and for how long. A schedule follows from a seed alone: the same seed, topology
// and length give the same faults in the same order. What they hit just then is up to the machine.
package faults

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sluice-project/sluice/server/e2e/chaos/world"
)

// Fault is one thing to break.
type Fault struct {
	At     time.Duration // after the beginning, or as soon as the one before is mended
	Kind   string
	For    time.Duration // how long it stays broken
	Server int           // the server that is hurt, where the kind hurts one
	Shard  int           // the shard whose master is hurt, where the kind hurts one
	Delay  time.Duration // of a slow network
}

func (f Fault) String() string {
	return fmt.Sprintf("%6.1fs %-24s for %4.1fs, server %d, shard %d, delay %s", f.At.Seconds(), f.Kind, f.For.Seconds(), f.Server, f.Shard, f.Delay)
}

// Track is kinds of faults of which one is there at a time.
type Track struct {
	Name      string
	ofServers bool // it breaks servers and their network, and not Redis
	kinds     []kind
}

// Schedule returns the faults of a track in a run of some length: each kind that the topology knows once, in random order,
// and then again, so that a run has as many kinds as there is time for.
func (track *Track) Schedule(seed uint64, t world.Topology, length time.Duration, servers int) []Fault {
	salt := uint64(0)
	for _, b := range []byte(string(t) + track.Name) {
		salt = salt*31 + uint64(b)
	}
	dice := rand.New(rand.NewPCG(seed, salt))
	shards := 1
	if t == world.Cluster {
		shards = 3
	}
	var all []Fault
	var bag []kind
	between := func(least, most time.Duration) time.Duration {
		return least + time.Duration(dice.Int64N(int64(most-least))).Truncate(10*time.Millisecond)
	}
	for at := between(2*time.Second, 3*time.Second); ; {
		if len(bag) == 0 {
			for _, k := range track.kinds {
				if k.of == nil || k.of[t] {
					bag = append(bag, k)
				}
			}
			dice.Shuffle(len(bag), func(i, j int) { bag[i], bag[j] = bag[j], bag[i] })
		}
		k := bag[0]
		bag = bag[1:]
		f := Fault{
			At: at, Kind: k.name, For: between(k.least, k.most),
			Server: dice.IntN(servers), Shard: dice.IntN(shards), Delay: between(20*time.Millisecond, 250*time.Millisecond),
		}
		if at+f.For > length {
			return all
		}
		all = append(all, f)
		at += f.For + between(k.least/2+time.Second, k.least/2+3*time.Second)
	}
}
