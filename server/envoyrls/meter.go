package envoyrls

import (
	"errors"
	"net"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	// crumb is the length below which a piece of a message is a crumb, in bytes: it takes about as much again until the
	// message is whole, or sixty times as much where it is a single byte.
	crumb = 64
	// mostCrumbs is how many of them a connection may send, and crumbsOfCall how many more with each call that it begins, up
	// to mostCrumbs. Clients send none, or one with each call.
	mostCrumbs, crumbsOfCall = 10_000, 2
	// frameHead is the length of what is before each frame of HTTP/2, in bytes (RFC 9113, section 4.1).
	frameHead = 9
)

// errCrumbs ends a connection.
var errCrumbs = errors.New("envoyrls: messages come in too many small pieces")

// metering are credentials whose connections end where their clients have the server hold too much, or for too long.
type metering struct {
	credentials.TransportCredentials
	longest time.Duration
}

// meter returns credentials that do so besides what the given ones do; nil are those of no TLS. A connection lasts for no
// longer than longest: the library ends one in its turn, after all that waits to be written, for which a client that takes
// little at a time can have it wait.
func meter(c credentials.TransportCredentials, longest time.Duration) metering {
	if c == nil {
		c = insecure.NewCredentials()
	}
	return metering{c, longest}
}

// ServerHandshake implements [credentials.TransportCredentials].
func (m metering) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := m.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return conn, info, err
	}
	end := time.AfterFunc(m.longest, func() { _ = raw.Close() })
	return &meteredConn{Conn: conn, end: end, crumbs: mostCrumbs, rest: len(http2.ClientPreface)}, info, nil
}

// Clone implements [credentials.TransportCredentials].
func (m metering) Clone() credentials.TransportCredentials {
	return metering{m.TransportCredentials.Clone(), m.longest}
}

// meteredConn is a connection of HTTP/2 that ends where its client has sent too many crumbs. It is read by one goroutine at a time.
type meteredConn struct {
	net.Conn
	end    *time.Timer
	crumbs int // how many more may come
	rest   int // how many bytes come before the next head of a frame
	head   [frameHead]byte
	known  int // how many bytes of the head have come
}

// Close implements [net.Conn].
func (c *meteredConn) Close() error {
	c.end.Stop()
	return c.Conn.Close()
}

// Read implements [net.Conn].
func (c *meteredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if !c.follow(p[:n]) {
		return 0, errCrumbs
	}
	return n, err
}

// follow takes note of the frames in what has come. It reports false where there were too many crumbs.
func (c *meteredConn) follow(b []byte) bool {
	for {
		n := min(c.rest, len(b))
		c.rest -= n
		if b = b[n:]; len(b) == 0 {
			return true
		}
		n = copy(c.head[c.known:], b)
		b = b[n:]
		if c.known += n; c.known < frameHead {
			return true
		}
		c.known = 0
		c.rest = int(c.head[0])<<16 | int(c.head[1])<<8 | int(c.head[2])
		if c.count(http2.FrameType(c.head[3]), http2.Flags(c.head[4])); c.crumbs < 0 {
			return false
		}
	}
}

// count counts a frame with the length of rest. Padding is no part of a message, so that a frame with some may be a crumb
// however long it is.
func (c *meteredConn) count(kind http2.FrameType, flags http2.Flags) {
	switch {
	case kind == http2.FrameHeaders:
		c.crumbs = min(c.crumbs+crumbsOfCall, mostCrumbs)
	case kind == http2.FrameData && !flags.Has(http2.FlagDataEndStream) && (c.rest < crumb || flags.Has(http2.FlagDataPadded)):
		c.crumbs--
	}
}
