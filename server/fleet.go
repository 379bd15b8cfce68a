package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync/atomic"
	"time"

	"github.com/sluice-project/sluice/store/redisstore"
)

const (
	// beatTime is how long lies between two times at which a server says that it is alive.
	beatTime = time.Second
	// beatPatience is how long saying so may take.
	beatPatience = time.Second
	// leaveTime is how long a server that ends may take to say so.
	leaveTime = 200 * time.Millisecond
)

// fleet is how many servers there are. While Redis cannot be reached it says what was known last: then each of them decides
// by its share.
type fleet struct {
	redis *redis
	name  string
	known atomic.Pointer[rank]
}

// rank is which of how many servers this is.
type rank struct{ index, count int }

// alone is what a server knows that has never reached Redis.
var alone = rank{0, 1}

func newFleet(r *redis) *fleet {
	var name [8]byte
	_, _ = rand.Read(name[:]) // it never fails
	f := &fleet{redis: r, name: hex.EncodeToString(name[:])}
	f.known.Store(&alone)
	return f
}

// rank returns which of how many servers this is, by the last that is known.
func (f *fleet) rank() (index, count int) {
	p := f.known.Load()
	return p.index, p.count
}

// run says once a second that this server is alive, until ctx ends; then that it goes.
func (f *fleet) run(ctx context.Context) {
	ticker := time.NewTicker(beatTime)
	defer ticker.Stop()
	for {
		if c := f.redis.reached.Load(); c != nil {
			f.beat(ctx, c.Ledger)
		}
		select {
		case <-ctx.Done():
			if c := f.redis.reached.Load(); c != nil {
				leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
				defer cancel()
				_ = c.Ledger.Leave(leaving, f.name) // else the others see it in three seconds
			}
			return
		case <-ticker.C:
		}
	}
}

func (f *fleet) beat(ctx context.Context, l *redisstore.Ledger) {
	ctx, cancel := context.WithTimeout(ctx, beatPatience)
	defer cancel()
	if index, count, err := l.Beat(ctx, f.name); err == nil {
		f.known.Store(&rank{index, count})
	}
}
