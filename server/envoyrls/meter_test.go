package envoyrls

import (
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// closing is a connection that counts how often it is closed.
type closing struct {
	net.Conn
	times *atomic.Int32
}

func (c closing) Close() error {
	c.times.Add(1)
	return nil
}

// TestAgeOfWhoIsGone has connections end before their time. Nothing is left then that would end them, and keep them.
func TestAgeOfWhoIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for early, want := range map[bool]int32{true: 1, false: 1} {
			raw := closing{times: new(atomic.Int32)}
			conn, _, err := meter(nil, time.Hour).ServerHandshake(raw)
			if err != nil {
				t.Fatal(err)
			}
			if early {
				conn.Close()
			}
			time.Sleep(2 * time.Hour)
			if got := raw.times.Load(); got != want {
				t.Errorf("a connection that ended early (%t) was closed %d times, want %d", early, got, want)
			}
		}
	})
}
