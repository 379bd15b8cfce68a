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
	// mostVain is how many frames a connection may send by which it has the library answer, and that are no call: what is
	// answered waits where the client does not read, the library bounds how many answers do only of some kinds, and of none how
	// long they are. Clients send settings, a few times, and as many calls too many as they begin before they know how many
	// they may.
	mostVain = 1000
	// settingsLength is how many bytes of settings count as one such frame. Clients send one or two.
	settingsLength = 64
	// frameHead is the length of what is before each frame of HTTP/2, in bytes (RFC 9113, section 4.1).
	frameHead = 9
)

// These end a connection.
var (
	errCrumbs = errors.New("envoyrls: messages come in too many small pieces")
	errVain   = errors.New("envoyrls: too much comes that is no call")
)

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
	metered := &meteredConn{Conn: conn, end: end, crumbs: mostCrumbs, rest: len(http2.ClientPreface)}
	return metered, meteredInfo{info, metered}, nil
}

// Clone implements [credentials.TransportCredentials].
func (m metering) Clone() credentials.TransportCredentials {
	return metering{m.TransportCredentials.Clone(), m.longest}
}

// meteredInfo has who is told of a call find its connection.
type meteredInfo struct {
	credentials.AuthInfo
	conn *meteredConn
}

// meteredConn is a connection of HTTP/2 that ends where its client has sent too many crumbs, or too much in vain. It is read by
// one goroutine at a time, which begins its calls, too.
type meteredConn struct {
	net.Conn
	end    *time.Timer
	crumbs int // how many more may come
	vain   int // how many frames came that had something answered, but for the headers of calls that have begun
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
	if fault := c.follow(p[:n]); fault != nil {
		return 0, fault
	}
	return n, err
}

// begun takes note that one of the headers that have come has begun a call.
func (c *meteredConn) begun() { c.vain-- }

// follow takes note of the frames in what has come, and says why the connection ends; nil where it does not.
func (c *meteredConn) follow(b []byte) error {
	for {
		n := min(c.rest, len(b))
		c.rest -= n
		if b = b[n:]; len(b) == 0 {
			return nil
		}
		n = copy(c.head[c.known:], b)
		b = b[n:]
		if c.known += n; c.known < frameHead {
			return nil
		}
		c.known = 0
		c.rest = int(c.head[0])<<16 | int(c.head[1])<<8 | int(c.head[2])
		c.count(http2.FrameType(c.head[3]), http2.Flags(c.head[4]))
		switch {
		case c.crumbs < 0:
			return errCrumbs
		case c.vain > mostVain:
			return errVain
		}
	}
}

// count counts a frame with the length of rest. Padding is no part of a message, so that a frame with some may be a crumb
// however long it is.
func (c *meteredConn) count(kind http2.FrameType, flags http2.Flags) {
	switch {
	case kind == http2.FrameHeaders:
		c.crumbs = min(c.crumbs+crumbsOfCall, mostCrumbs)
		c.vain++
	case kind == http2.FrameSettings && !flags.Has(http2.FlagSettingsAck):
		c.vain += 1 + c.rest/settingsLength
	case kind == http2.FrameData && !flags.Has(http2.FlagDataEndStream) && (c.rest < crumb || flags.Has(http2.FlagDataPadded)):
		c.crumbs--
	}
}
