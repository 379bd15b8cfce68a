package server

import (
	"net/http"
	"testing"
	"time"

	"github.com/sluice-project/sluice/internal/clocktest"
)

// TestIdlestAfterAStep has the wall clock of the machine put back by an hour, and forward, while connections are idle: the
// one that gives way is the one that was idle for longest.
func TestIdlestAfterAStep(t *testing.T) {
	t.Parallel()
	for _, seconds := range []int64{-3600, 3600} {
		l := limitConnections(nil, 2)
		long, short, busy := &limitedConn{from: l}, &limitedConn{from: l}, &limitedConn{from: l}
		for _, c := range []*limitedConn{long, short, busy} {
			note(c, http.StateIdle)
			l.open[c] = struct{}{}
		}
		begun := time.Now()
		later := clocktest.Step(begun, seconds).Add(time.Second)
		long.idle.Store(&begun)
		short.idle.Store(&later)
		note(busy, http.StateActive)
		if got := l.idlest(); got != long {
			t.Errorf("a step by %d s: the connection that was idle for less gives way", seconds)
		}
	}
}
