package control

import (
	"sync"
	"time"

	"github.com/sluice-project/sluice"
)

// clock follows that of the store between two looks at it.
type clock struct {
	mu   sync.Mutex
	now  sluice.Tick
	read time.Time
}

func (c *clock) set(now sluice.Tick) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, c.read = now, time.Now()
}

// time returns about what the store's clock reads now; ok is false before it was ever read.
func (c *clock) time() (now sluice.Tick, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.read.IsZero() {
		return 0, false
	}
	return c.now + sluice.Tick(time.Since(c.read).Microseconds()), true
}
