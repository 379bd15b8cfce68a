package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/sluice-project/sluice/store/redisstore"
)

const (
	// beatTime is how long lies between two times at which a server says that it is alive.
	beatTime = time.Second
	// beatPatience is how long saying so may take.
	beatPatience = time.Second
	// settleTime is for how long a smaller number of servers must be told until it is believed: after Redis was away for long, was
	// emptied or has another time the others may not have said yet that they are alive, and be cut off before they do. One that
	// is smaller still has to be told for as long by itself.
	settleTime = 5 * beatTime
	// leaveTime is how long a server that ends may take to say so.
	leaveTime = 200 * time.Millisecond
)

// fleet is how many servers there are. While Redis cannot be reached it says what was known last: then each of them decides
// by its share.
type fleet struct {
	redis  *redis
	name   string
	logger *slog.Logger
	known  atomic.Pointer[rank]

	failing bool
	fewer   time.Time // since when no more servers are told than were told last, which are fewer than are known; zero where not
	told    int       // how many that were
}

// rank is which of how many servers this is.
type rank struct{ index, count int }

// alone is what a server knows that has never reached Redis.
var alone = rank{0, 1}

func newFleet(r *redis) *fleet {
	var name [8]byte
	_, _ = rand.Read(name[:]) // it never fails
	f := &fleet{redis: r, name: hex.EncodeToString(name[:]), logger: r.logger}
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
	select {
	case <-f.redis.tried:
	case <-ctx.Done():
	}
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
				_ = c.Ledger.Leave(leaving, f.name) // else it is counted for ten seconds more
			}
			return
		case <-ticker.C:
		}
	}
}

func (f *fleet) beat(ctx context.Context, l *redisstore.Ledger) {
	ctx, cancel := context.WithTimeout(ctx, beatPatience)
	defer cancel()
	index, count, err := l.Beat(ctx, f.name)
	f.hear(time.Now(), rank{index, count}, err)
}

// hear takes over what a beat has said at an instant.
func (f *fleet) hear(now time.Time, said rank, err error) {
	if (err != nil) != f.failing {
		f.failing = err != nil
		if f.failing {
			f.logger.Warn("how many servers there are cannot be counted; what was known last holds", "servers", f.known.Load().count, "error", err)
		} else {
			f.logger.Info("servers are counted again", "servers", said.count)
		}
	}
	less := said.count < f.told
	f.told = said.count
	switch {
	case err != nil:
		f.fewer = time.Time{}
		return
	case said.count >= f.known.Load().count:
	case f.fewer.IsZero() || less:
		f.fewer = now
		return
	case now.Sub(f.fewer) < settleTime:
		return
	}
	f.fewer = time.Time{}
	f.known.Store(&said)
}
