package server

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// limitedListener takes so many connections at once. One more than that takes the place of the one on which nothing has
// happened for longest; where something happens on all of them, it is closed at once, so that nobody waits behind those who
// hold theirs.
type limitedListener struct {
	net.Listener
	most int

	mu   sync.Mutex // guards what is below
	open map[*limitedConn]struct{}
}

func limitConnections(l net.Listener, most int) *limitedListener {
	return &limitedListener{Listener: l, most: most, open: make(map[*limitedConn]struct{})}
}

// limitedConn is a connection that is counted.
type limitedConn struct {
	net.Conn
	from *limitedListener
	idle atomic.Pointer[time.Time] // since when nothing happens, by the monotonic clock; nil where something does
	once sync.Once

	bounded atomic.Bool // there is a deadline for writes
}

func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &limitedConn{Conn: conn, from: l}
		var evicted *limitedConn
		l.mu.Lock()
		full := len(l.open) >= l.most
		if full {
			evicted = l.idlest()
		}
		if !full || evicted != nil {
			l.open[c] = struct{}{}
		}
		l.mu.Unlock()
		if !full {
			return c, nil
		}
		if evicted != nil {
			_ = evicted.Close()
			return c, nil
		}
		_ = conn.Close()
	}
}

// idlest returns the connection on which nothing has happened for longest; nil where there is none.
func (l *limitedListener) idlest() (found *limitedConn) {
	var least *time.Time
	for c := range l.open {
		if idle := c.idle.Load(); idle != nil && (least == nil || idle.Before(*least)) {
			found, least = c, idle
		}
	}
	return found
}

func (c *limitedConn) Close() error {
	c.once.Do(func() {
		c.from.mu.Lock()
		delete(c.from.open, c)
		c.from.mu.Unlock()
	})
	return c.Conn.Close()
}

// writeTime is how long a write may take for which nobody has set a deadline: one that TLS makes while a client is read,
// who can have it answer without end and take no answer.
const writeTime = 30 * time.Second

// Write implements [net.Conn]. Where it is bounded here and fails, the connection ends: the gRPC library leaves one open whose
// writes have failed, and reads it for as long as something comes.
func (c *limitedConn) Write(b []byte) (int, error) {
	if c.bounded.Load() {
		return c.Conn.Write(b)
	}
	_ = c.Conn.SetWriteDeadline(time.Now().Add(writeTime))
	n, err := c.Conn.Write(b)
	if err != nil {
		_ = c.Close()
	}
	return n, err
}

// SetWriteDeadline implements [net.Conn].
func (c *limitedConn) SetWriteDeadline(t time.Time) error {
	c.bounded.Store(!t.IsZero())
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline implements [net.Conn].
func (c *limitedConn) SetDeadline(t time.Time) error {
	c.bounded.Store(!t.IsZero())
	return c.Conn.SetDeadline(t)
}

// CloseWrite has net/http end a connection so that what it has answered arrives.
func (c *limitedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return net.ErrClosed
}

// note follows whether something happens on a connection, as net/http sees it.
func note(conn net.Conn, state http.ConnState) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	c, ok := conn.(*limitedConn)
	if !ok {
		return
	}
	switch state {
	case http.StateActive:
		c.idle.Store(nil)
	case http.StateIdle:
		now := time.Now()
		c.idle.Store(&now)
	}
}
