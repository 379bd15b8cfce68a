package redisstore

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// A server that has become a replica refuses all that writes, and its connections stay as they are. Behind Sentinel and on a
// Cluster the client learns which server has taken its place. Where a name stands for the master, it learns nothing unless
// it connects anew: so the connection on which a call was refused like that is given up, at most once a second, and the next
// call connects to where the name leads by then.

// renewalTime is how long lies between giving up connections: a server may be a replica for long, or for good.
const renewalTime = time.Second

// renewal gives up connections to a server that does not take writes any more. The zero renewal is ready.
type renewal struct {
	wanted atomic.Bool
	// last is when it was done, by the number of the call that used the connection; nil for never. It is a [time.Time], which
	// keeps the monotonic clock: the other one may be put back, by an hour.
	last [mostCalls]atomic.Pointer[time.Time]
}

// note takes note of an error of Redis.
func (r *renewal) note(err error) {
	if err == nil {
		return
	}
	// Some versions say first where in the script it was.
	if refusal, ok := rueidis.IsRedisErr(err); ok && strings.Contains(refusal.Error(), "READONLY You can't write") {
		r.wanted.Store(true)
	}
}

// renew gives up the connection of a call, if such an error was noted. A server closes a connection after QUIT; what asks for
// an answer behind it has the client see that now, and not when a check needs the connection.
func (r *renewal) renew(ctx context.Context, client rueidis.Client, nth int) {
	if !r.wanted.Load() || client.Mode() != rueidis.ClientModeStandalone {
		return
	}
	if !r.due(nth, time.Now()) {
		return
	}
	r.wanted.Store(false)
	leave := client.B().Arbitrary("QUIT").Build()
	if nth > 0 {
		leave = client.B().Arbitrary("QUIT").Blocking()
	}
	client.DoMulti(ctx, leave, client.B().Ping().Build())
}

// due reports whether the connection of a call can be given up now, and notes that it is.
func (r *renewal) due(nth int, now time.Time) bool {
	last := r.last[nth].Load()
	return (last == nil || now.Sub(*last) >= renewalTime) && r.last[nth].CompareAndSwap(last, &now)
}
