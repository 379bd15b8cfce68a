package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// The client connects under the context of the call that wants the connection, and greets the server under it, too. A
// call has a tenth of a second, and a connection to a server that is far away or slow in its TLS handshake may take
// longer than that: if the connection ended with the call, each call would begin it anew and none would ever have it.
//
// So a connection is made by a goroutine of its own, within the timeout of the dialer. Who wants it waits as long as his
// context lasts; if he leaves, it goes on being made, and the next who wants one to the same address takes it over. None
// is begun while there is one to take over: there are never more than there have been callers at a time. One that fails
// after its caller has left is forgotten, and one that nobody wants is closed again.

// The client greets a server before it asks anything, and waits for the answer. So what fails while nothing has been heard on
// a connection, or only that there is no room for another, has not been asked, and the error says that it is one of dialling.

// unclaimedTime is how long a connection that has been made is kept for who may want it.
const unclaimedTime = 10 * time.Second

// connectFunc makes a connection, as the client has it done.
type connectFunc = func(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error)

// connect makes a connection by TCP, with TLS where there is a config.
func connect(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	if config == nil {
		return dialer.DialContext(ctx, "tcp", address)
	}
	return (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, "tcp", address)
}

// outliving returns a function that makes connections by another, and does not lose those that take longer than the
// contexts of the callers.
func outliving(connect connectFunc) connectFunc {
	d := &dials{connect: connect, left: map[target][]*dial{}}
	return d.conn
}

// target is where connections are equal: one that was made for one caller is as good for another.
type target struct {
	address string
	dialer  *net.Dialer
	config  *tls.Config
}

// dials are the connections that are being made.
type dials struct {
	connect connectFunc

	mu   sync.Mutex
	left map[target][]*dial // those that nobody waits for, the oldest first
}

// dial is one connection that is being made, or has been and is not in use yet.
type dial struct {
	done chan struct{} // closed when the following three are set
	conn net.Conn
	err  error
	took time.Duration

	// Guarded by the dials.
	ended  bool
	left   bool
	expiry *time.Timer // of one that has ended and was left
}

func (d *dials) conn(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, notConnected(address, err)
	}
	to := target{address, dialer, config}
	one, made := d.take(to)
	if made {
		return one.conn, nil
	}
	select {
	case <-one.done:
	case <-ctx.Done():
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if one.ended && one.err != nil {
		return nil, one.err
	}
	err := ctx.Err()
	if err == nil && tooLate(ctx, one.took) {
		err = context.DeadlineExceeded
	}
	if err != nil {
		d.leave(to, one)
		return nil, notConnected(address, err)
	}
	return one.conn, nil
}

// tooLate reports whether a caller is left with less time than the connection took to be made. To greet the server and
// to ask it takes as many round trips again: he would close it without an answer, and the next caller can have it new.
func tooLate(ctx context.Context, took time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) < took
}

// notConnected is an error that says that nothing was sent, as those of the net package do.
func notConnected(address string, err error) error {
	return &net.OpError{Op: "dial", Addr: addr(address), Err: err}
}

type addr string

func (addr) Network() string { return "" }

func (a addr) String() string { return string(a) }

// take takes over a connection that was left, one that has been made if there is such a one, or begins one.
func (d *dials) take(to target) (one *dial, made bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if left := d.left[to]; len(left) > 0 {
		one = left[max(0, slices.IndexFunc(left, func(one *dial) bool { return one.ended }))]
		d.remove(to, one)
		return one, one.ended
	}
	one = &dial{done: make(chan struct{})}
	go d.make(to, one)
	return one, false
}

// make makes a connection, within the timeout of the dialer.
func (d *dials) make(to target, one *dial) {
	timeout := to.dialer.Timeout
	if timeout <= 0 {
		timeout = rueidis.DefaultDialTimeout
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	began := time.Now()
	conn, err := d.connect(ctx, to.address, to.dialer, to.config)
	if err == nil {
		conn = &greeting{Conn: conn, address: to.address}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	one.conn, one.err, one.took, one.ended = conn, err, time.Since(began), true
	close(one.done)
	if one.left {
		d.remove(to, one)
		d.leave(to, one)
	}
}

// leave keeps a connection for the next caller: one that is being made until it is, one that has been for a while, and
// one that has failed not at all.
func (d *dials) leave(to target, one *dial) {
	if one.err != nil {
		return
	}
	if one.ended {
		one.expiry = time.AfterFunc(unclaimedTime, func() { d.expire(to, one) })
	}
	one.left = true
	d.left[to] = append(d.left[to], one)
}

// remove is what leave is undone by.
func (d *dials) remove(to target, one *dial) {
	one.left = false
	if one.expiry != nil {
		one.expiry.Stop()
	}
	left := slices.DeleteFunc(d.left[to], func(other *dial) bool { return other == one })
	if d.left[to] = left; len(left) == 0 {
		delete(d.left, to)
	}
}

// expire closes a connection that nobody has wanted.
func (d *dials) expire(to target, one *dial) {
	d.mu.Lock()
	unwanted := one.left
	if unwanted {
		d.remove(to, one)
	}
	d.mu.Unlock()
	if unwanted {
		_ = one.conn.Close() // nothing was ever written to it
	}
}

// greeting is a connection that tells errors before the server has greeted from those after it.
type greeting struct {
	net.Conn
	address string
	heard   atomic.Bool
	refusal atomic.Pointer[error]
}

// noRoom is how a server begins that closes a connection at once because it has too many.
const noRoom = "-ERR max number of clients"

// Read implements [net.Conn].
func (g *greeting) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if n > 0 && !g.heard.Load() {
		if strings.HasPrefix(string(b[:n]), noRoom) {
			line, _, _ := strings.Cut(string(b[len("-ERR "):n]), "\r\n")
			refusal := errors.New("redis refused the connection: " + line)
			g.refusal.Store(&refusal)
		}
		g.heard.Store(true)
	}
	return n, g.say(err)
}

// Write implements [net.Conn].
func (g *greeting) Write(b []byte) (int, error) {
	n, err := g.Conn.Write(b)
	return n, g.say(err)
}

func (g *greeting) say(err error) error {
	if err == nil {
		return nil
	}
	if refusal := g.refusal.Load(); refusal != nil {
		return notConnected(g.address, *refusal)
	}
	if !g.heard.Load() {
		return notConnected(g.address, err)
	}
	return err
}
