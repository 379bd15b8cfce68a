package redisstore_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

// road leads to a server. It can be long, and what enters it may have to wait first.
type road struct {
	net.Listener
	wait time.Duration // of each connection, before anything passes
	trip time.Duration // there and back

	mu    sync.Mutex
	conns []net.Conn
}

func newRoad(t *testing.T, server string, wait, trip time.Duration) *road {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &road{Listener: listener, wait: wait, trip: trip}
	var open sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close()
		r.cut()
		open.Wait()
	})
	open.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			distant, err := net.Dial("tcp", server)
			if err != nil {
				_ = near.Close()
				continue
			}
			r.mu.Lock()
			r.conns = append(r.conns, near, distant)
			r.mu.Unlock()
			begin := time.Now().Add(r.wait)
			open.Go(func() { r.carry(distant, near, begin) })
			open.Go(func() { r.carry(near, distant, begin) })
		}
	})
	return r
}

// carry carries what is read from one end to the other, each piece as late as the road is long.
func (r *road) carry(to io.WriteCloser, from io.Reader, begin time.Time) {
	type piece struct {
		bytes   []byte
		arrives time.Time
	}
	pieces := make(chan piece, 1000)
	go func() {
		defer close(pieces)
		for {
			buffer := make([]byte, 1<<16)
			n, err := from.Read(buffer)
			if n > 0 {
				pieces <- piece{buffer[:n], time.Now().Add(r.trip / 2)}
			}
			if err != nil {
				return
			}
		}
	}()
	time.Sleep(time.Until(begin))
	for p := range pieces {
		time.Sleep(time.Until(p.arrives))
		_, _ = to.Write(p.bytes) // it fails after a cut
	}
	_ = to.Close()
}

// cut ends all connections.
func (r *road) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, conn := range r.conns {
		_ = conn.Close()
	}
	r.conns = nil
}

// TestConnectingTakesLongerThanACall has a store lose its connections to a server to which a new one takes longer than a
// call may: each call that wants one ends in time, and before long they succeed again, on both connections.
func TestConnectingTakesLongerThanACall(t *testing.T) {
	t.Parallel()
	const margin = 400 * time.Millisecond
	server := redistest.Start(t, redistest.Options{TLS: true})
	for name, test := range map[string]struct{ timeout, wait, trip time.Duration }{
		"the handshake is slow":         {100 * time.Millisecond, 150 * time.Millisecond, 0},
		"no time is left for the HELLO": {400 * time.Millisecond, 200 * time.Millisecond, 120 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoad(t, server.Addr(), test.wait, test.trip)
			option, err := redisstore.ClientOption("rediss://" + r.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			option.TLSConfig = server.TLS()
			option.Dialer.Timeout = patient
			client, err := rueidis.NewClient(option)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			l := newLimiter(t, client, redisstore.Config{Timeout: test.timeout, Prefix: name}, sluice.PerHour(100000))
			for _, callers := range []int{1, 8, 1, 8} {
				r.cut()
				var late sync.Map
				var all sync.WaitGroup
				for range callers {
					all.Go(func() {
						began, inARow := time.Now(), 0
						var last error
						for inARow < 5 {
							if time.Since(began) > patient {
								t.Errorf("%d callers: not five checks in a row succeed %s after the cut: %v", callers, patient, last)
								return
							}
							asked := time.Now()
							_, err := l.Check(t.Context(), "k", 1)
							if took := time.Since(asked); took > test.timeout+margin {
								t.Errorf("%d callers: an answer after %s: %v; want one within %s", callers, took, err, test.timeout)
							}
							if inARow++; err != nil {
								inARow, last = 0, err
								late.Store(errors.Is(err, context.DeadlineExceeded), true)
							}
						}
					})
				}
				all.Wait()
				if t.Failed() {
					return
				}
				if _, ok := late.Load(true); !ok {
					t.Errorf("%d callers: no check ran out of time after the cut; want those that connect to", callers)
				}
			}
		})
	}
}

// world is a function that connects to nothing, and what became of its connections.
type world struct {
	takes                time.Duration
	fails                atomic.Bool
	begun, ended, closed atomic.Int32
}

type worldConn struct {
	net.Conn
	w *world
}

func (c worldConn) Close() error {
	c.w.closed.Add(1)
	return nil
}

func (w *world) connect(ctx context.Context, _ string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
	w.begun.Add(1)
	defer w.ended.Add(1)
	select {
	case <-time.After(w.takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if w.fails.Load() {
		return nil, errors.New("refused")
	}
	return worldConn{w: w}, nil
}

func TestConnectionsOutliveTheirCallers(t *testing.T) {
	t.Parallel()
	const call = 100 * time.Millisecond
	type dial func(address string, patience time.Duration) error
	for name, test := range map[string]struct {
		takes         time.Duration
		run           func(t *testing.T, w *world, dial dial)
		begun, closed int32 // in the end
	}{
		"one that is being made is taken over": {150 * time.Millisecond, func(t *testing.T, _ *world, dial dial) {
			began := time.Now()
			expectLate(t, dial("a", call))
			expectLate(t, dial("a", call)) // made when 50 ms are left
			expectConn(t, dial("a", call))
			if took := time.Since(began); took != 150*time.Millisecond {
				t.Errorf("connected after %s, want 150ms", took)
			}
		}, 1, 0},
		"a caller with time enough waits for it": {150 * time.Millisecond, func(t *testing.T, _ *world, dial dial) {
			expectLate(t, dial("a", call))
			expectConn(t, dial("a", time.Second))
		}, 1, 0},
		"one is made while nobody waits": {150 * time.Millisecond, func(t *testing.T, _ *world, dial dial) {
			expectLate(t, dial("a", call))
			time.Sleep(redisstore.UnclaimedTime)
			expectConn(t, dial("a", time.Millisecond)) // at once, whatever it took
			time.Sleep(2 * redisstore.UnclaimedTime)
		}, 1, 0},
		"nobody wants it": {150 * time.Millisecond, func(t *testing.T, w *world, dial dial) {
			expectLate(t, dial("a", call))
			time.Sleep(50*time.Millisecond + redisstore.UnclaimedTime - 1)
			if w.closed.Load() != 0 {
				t.Error("closed too early")
			}
			time.Sleep(2 * time.Nanosecond)
			if w.closed.Load() != 1 {
				t.Errorf("%d connections are closed %s after they were made, want 1", w.closed.Load(), redisstore.UnclaimedTime)
			}
			expectConn(t, dial("a", time.Second))
		}, 2, 1},
		"it is for one caller": {150 * time.Millisecond, func(t *testing.T, _ *world, dial dial) {
			expectLate(t, dial("a", call))
			time.Sleep(call)
			expectConn(t, dial("a", call))
			expectLate(t, dial("a", call))
			expectLate(t, dial("b", call)) // and for the same address
		}, 3, 2},
		"no more than there are callers at a time": {time.Second / 2, func(t *testing.T, _ *world, dial dial) {
			for range 4 {
				var all sync.WaitGroup
				for range 3 {
					all.Go(func() { expectLate(t, dial("a", call)) })
				}
				all.Wait()
			}
			time.Sleep(2 * call)
			for range 3 {
				expectConn(t, dial("a", call))
			}
		}, 3, 0},
		"it fails after its caller has left": {150 * time.Millisecond, func(t *testing.T, w *world, dial dial) {
			w.fails.Store(true)
			expectLate(t, dial("a", call))
			time.Sleep(call)
			w.fails.Store(false)
			expectConn(t, dial("a", time.Second))
		}, 2, 0},
		"it fails before": {call / 2, func(t *testing.T, w *world, dial dial) {
			w.fails.Store(true)
			if err := dial("a", call); err == nil || err.Error() != "refused" {
				t.Errorf("an error %v, want refused", err)
			}
		}, 1, 0},
		"it is never made": {time.Hour, func(t *testing.T, w *world, dial dial) {
			expectLate(t, dial("a", call))
			time.Sleep(time.Second) // the dialer's timeout
			if w.ended.Load() != 1 {
				t.Error("it goes on after the timeout of the dialer")
			}
		}, 1, 0},
		"a caller comes whose time is over": {0, func(t *testing.T, _ *world, dial dial) {
			expectLate(t, dial("a", 0))
		}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &world{takes: test.takes}
				connect := redisstore.Outliving(w.connect)
				dialer := &net.Dialer{Timeout: time.Second}
				test.run(t, w, func(address string, patience time.Duration) error {
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					conn, err := connect(ctx, address, dialer, nil)
					if (conn == nil) == (err == nil) {
						t.Errorf("connection %v, error %v", conn, err)
					}
					return err
				})
				time.Sleep(time.Minute)
				synctest.Wait()
				begun, ended, closed := w.begun.Load(), w.ended.Load(), w.closed.Load()
				if begun != test.begun || ended != begun || closed != test.closed {
					t.Errorf("%d begun, %d ended, %d closed; want %d, all, %d", begun, ended, closed, test.begun, test.closed)
				}
			})
		})
	}
}

func expectConn(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%v, want a connection", err)
	}
}

func expectLate(t *testing.T, err error) {
	t.Helper()
	var dial *net.OpError
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &dial) || dial.Op != "dial" {
		t.Errorf("an error %v, want one that says that it was too late for the dial", err)
	}
}
