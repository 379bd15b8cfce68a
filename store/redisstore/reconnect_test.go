package redisstore_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

// TestConnectionsThatEnd has connections end or go silent. The check that was under way may have been charged, no caller
// waits longer than his time, and the store finds another connection by itself.
func TestConnectionsThatEnd(t *testing.T) {
	t.Parallel()
	const (
		timeout = 200 * time.Millisecond
		count   = 100_000
	)
	for name, test := range map[string]struct {
		cut    func(t *testing.T, server *redistest.Server, road *redistest.Proxy)
		silent bool // nothing answers at first: a caller waits as long as he has
		back   time.Duration
	}{
		"CLIENT KILL": {
			cut: func(t *testing.T, server *redistest.Server, _ *redistest.Proxy) {
				server.Do(t, "CLIENT", "KILL", "TYPE", "normal")
			},
		},
		"CLIENT PAUSE": {
			cut: func(t *testing.T, server *redistest.Server, _ *redistest.Proxy) {
				server.Do(t, "CLIENT", "PAUSE", "1000")
			},
			silent: true, back: time.Second,
		},
		"the road is cut": {
			cut: func(_ *testing.T, _ *redistest.Server, road *redistest.Proxy) { road.Cut() },
		},
		"the other end goes without a word": {
			cut:    func(_ *testing.T, _ *redistest.Server, road *redistest.Proxy) { road.Lose() },
			silent: true,
		},
	} {
		for way, callers := range map[string]int{"alone": 1, "together": 8} {
			t.Run(name+"/"+way, func(t *testing.T) {
				t.Parallel()
				server := redistest.Start(t, redistest.Options{})
				road := redistest.StartProxy(t, server.Addr())
				l := newLimiter(t, newClient(t, "redis://"+road.Addr()), redisstore.Config{Timeout: timeout}, sluice.PerHour(count))
				var broken atomic.Bool
				errs := make(chan error, callers)
				tallies := make(chan *tally, callers)
				for range callers {
					go func() {
						a := &tally{Limiter: l}
						var first error
						for inARow := 0; inARow < 10 || !broken.Load(); inARow++ {
							if !broken.Load() {
								inARow = 0
							}
							if err := a.check(t, "k", timeout+late); err != nil {
								inARow = 0
								if first == nil {
									first = err
								}
							}
						}
						errs <- first
						tallies <- a
					}()
				}
				time.Sleep(20 * time.Millisecond) // so that calls are under way
				test.cut(t, server, road)
				broken.Store(true)
				began := time.Now()
				sum := &tally{Limiter: l}
				for range callers {
					err := <-errs
					if err != nil && test.silent && !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("the first error of a caller is %v, want context.DeadlineExceeded", err)
					}
					a := <-tallies
					sum.allowed += a.allowed
					sum.uncertain += a.uncertain
				}
				if test.silent && sum.uncertain == 0 {
					t.Error("no check may have been charged: the test shows nothing")
				}
				if took := time.Since(began); took > test.back+5*time.Second {
					t.Errorf("decisions came again after %s, want them within %s", took, test.back+5*time.Second)
				} else {
					t.Logf("decisions came again after %s; %d checks may have been charged", took, sum.uncertain)
				}
				sum.expectCharged(t, "k", count)
			})
		}
	}
}

// TestNameLeadsElsewhere has a name lead from one server to another, which has taken its place: the one that it led to is
// gone, or has become a replica and keeps its connections.
func TestNameLeadsElsewhere(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatalf("%v: this test needs a second loopback address, which Linux has and macOS gets by: sudo ifconfig lo0 alias 127.0.0.2", err)
	}
	_ = l.Close()
	for name, leave := range map[string]func(t *testing.T, old, next *redistest.Server){
		"the old one is gone": func(_ *testing.T, old, _ *redistest.Server) { old.Kill() },
		"the old one is a replica": func(t *testing.T, old, next *redistest.Server) {
			host, port, _ := net.SplitHostPort(next.Addr())
			old.Do(t, "REPLICAOF", host, port)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			old := redistest.Start(t, redistest.Options{})
			next := redistest.StartReplica(t, old)
			first := redistest.StartProxy(t, old.Addr())
			_, port, _ := net.SplitHostPort(first.Addr())
			redistest.StartProxyOn(t, net.JoinHostPort("127.0.0.2", port), next.Addr())
			names := startNames(t, [4]byte{127, 0, 0, 1})
			option, err := redisstore.ClientOption("redis://store.test:" + port)
			if err != nil {
				t.Fatal(err)
			}
			option.Dialer.Resolver = names.resolver()
			client, err := rueidis.NewClient(option)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			const count = 100_000
			a := &tally{Limiter: newLimiter(t, client, redisstore.Config{Timeout: patient}, sluice.PerHour(count))}
			ledger, err := redisstore.NewLedger(client, redisstore.LedgerConfig{})
			if err != nil {
				t.Fatal(err)
			}
			for range 10 {
				if err := a.check(t, "k", patient); err != nil {
					t.Fatal(err)
				}
			}
			for old.Do(t, "GET", "sluice:{api|k}") != next.Do(t, "GET", "sluice:{api|k}") {
				time.Sleep(time.Millisecond) // it is told in its time
			}
			next.Do(t, "REPLICAOF", "NO", "ONE")
			leave(t, old, next)
			names.lead([4]byte{127, 0, 0, 2})
			t.Logf("decisions came again after %s", a.heal(t, "k", count, patient))
			if _, err := ledger.Load(t.Context()); err != nil {
				t.Errorf("the ledger: %v", err)
			}
			if n := next.Do(t, "EXISTS", "sluice:{api|k}"); n != int64(1) {
				t.Error("the server that the name leads to has no state of the key: the test shows nothing")
			}
		})
	}
}

// names is a server of the domain name system that knows one address, and gives it for every name.
type names struct {
	conn    net.PacketConn
	address atomic.Pointer[[4]byte]
}

func startNames(t *testing.T, address [4]byte) *names {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &names{conn: conn}
	n.lead(address)
	done := make(chan struct{})
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	go func() {
		defer close(done)
		n.serve()
	}()
	return n
}

// lead has all names lead to an address from now on.
func (n *names) lead(address [4]byte) { n.address.Store(&address) }

func (n *names) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", n.conn.LocalAddr().String())
	}}
}

// serve answers each query by its own question and, if that asks for an address of IPv4, the one that there is.
func (n *names) serve() {
	const head = 12
	query := make([]byte, 512)
	for {
		size, from, err := n.conn.ReadFrom(query)
		if err != nil {
			return
		}
		end := head
		for end < size && query[end] != 0 { // the labels of the name
			end += 1 + int(query[end])
		}
		end += 1 + 4 // the root, the type and the class
		if end > size {
			continue
		}
		isA := query[end-3] == 1
		answer := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, query[head:end]...)
		if isA {
			answer[7] = 1
			answer = append(answer, 0xc0, head, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4) // a pointer to the name, A, IN, no time to live, 4 bytes
			answer = append(answer, n.address.Load()[:]...)
		}
		_, _ = n.conn.WriteTo(answer, from) // who asks again gets it
	}
}

// TestHangsUp asks a server that accepts connections and closes them before it has greeted, as one does that a proxy stands
// for: nothing was asked, so nothing was charged.
func TestHangsUp(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	road := redistest.StartProxy(t, server.Addr())
	const count = 1000
	a := &tally{Limiter: newLimiter(t, newClient(t, "redis://"+road.Addr()), redisstore.Config{Timeout: patient}, sluice.PerHour(count))}
	if err := a.check(t, "k", patient); err != nil {
		t.Fatal(err)
	}
	server.Kill() // the proxy stays, and has nobody behind it
	for err := error(nil); chargedBy(err) == maybe || err == nil; {
		err = a.check(t, "k", patient)
	}
	for range 10 {
		if err := a.check(t, "k", patient); !errors.Is(err, sluice.ErrNotSent) {
			t.Errorf("a server that hangs up: %v, want ErrNotSent", err)
		}
	}
	server.Restart(t)
	a.allowed = 0 // the server has forgotten them
	a.heal(t, "k", count, patient)
}
