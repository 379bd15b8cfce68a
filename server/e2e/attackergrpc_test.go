package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"
)

// The methods that are attacked: the one that is limited to who may ask, and those that are for everybody.
const (
	decisionCall = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
	healthCall   = "/grpc.health.v1.Health/Check"
	watchCall    = "/grpc.health.v1.Health/Watch"
)

const (
	// grpcTime is how long a call may take to arrive, and grpcSlack how much later its end may be seen.
	grpcTime, grpcSlack = 15 * time.Second, 5 * time.Second
	// slowMessage is how long the messages of slow calls are to be, in bytes: they never get there.
	slowMessage = 1000
)

// slowCalls holds connections open and sends on each a byte now and then of the message of a call that never ends. In the
// place of a call that the server ends comes another. That the server hangs up, so that calls are not what is attacked, is
// an error, and that a call lasts for longer than it may.
func (a assault) slowCalls() error {
	methods := []string{decisionCall, healthCall, decisionCall, watchCall}
	long, interval := a.length()
	pace := pacer{time.Now()}
	calls := make([]*slowCall, a.Many)
	ended := 0
	for time.Since(pace.begun) < long {
		round := time.Now()
		for i, c := range calls {
			time.Sleep(time.Until(round.Add(interval * time.Duration(i) / time.Duration(a.Many)))) // each has a clock of its own
			if c == nil {
				c, err := beginSlowly(a.Addr, methods[i%len(methods)])
				if err != nil {
					return err
				}
				calls[i] = c
				pace.pause()
				continue
			}
			switch err := c.crawl(); {
			case err != nil:
				return err
			case c.ended.Load() == c.stream:
				ended++
				if err := c.again(); err != nil {
					return err
				}
			}
		}
		time.Sleep(time.Until(round.Add(interval)))
	}
	if a.Whole && ended < a.Many {
		return fmt.Errorf("%d of %d calls were ended in %s", ended, a.Many, long)
	}
	return nil
}

// slowCall is a call of which a byte comes now and then, on a connection of its own.
type slowCall struct {
	net.Conn
	method string
	stream uint32
	begun  time.Time
	ended  atomic.Uint32         // the stream that the server has ended last
	gone   atomic.Pointer[error] // why nothing more can be read
}

func beginSlowly(addr, method string) (*slowCall, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return nil, err
	}
	c := &slowCall{Conn: conn, method: method, stream: 1, begun: time.Now()}
	go c.read()
	_, err = io.WriteString(c, grpcPreface+grpcCall(c.stream, method, slowMessage))
	return c, err
}

// crawl sends a byte.
func (c *slowCall) crawl() error {
	if gone := c.gone.Load(); gone != nil {
		return fmt.Errorf("%s: the server has hung up: %w", c.method, *gone)
	}
	if lasted := time.Since(c.begun); lasted > grpcTime+grpcSlack && c.ended.Load() != c.stream {
		return fmt.Errorf("%s: a call that never ends has lasted for %s, want %s at most", c.method, lasted, grpcTime)
	}
	_, err := io.WriteString(c, grpcFrame(dataFrame, 0, c.stream, "a"))
	return err
}

// again begins another call in the place of one that has ended.
func (c *slowCall) again() error {
	c.stream += 2
	c.begun = time.Now()
	_, err := io.WriteString(c, grpcCall(c.stream, c.method, slowMessage))
	return err
}

// read notes which calls the server ends.
func (c *slowCall) read() {
	in := bufio.NewReaderSize(c, 512)
	var head [9]byte
	for {
		_, err := io.ReadFull(in, head[:])
		if err == nil {
			length := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
			_, err = in.Discard(length)
		}
		if err != nil {
			c.gone.Store(&err)
			return
		}
		if kind, flags := head[3], head[4]; kind == resetFrame || kind == headersFrame && flags&endStream != 0 {
			c.ended.Store(uint32(head[5])<<24 | uint32(head[6])<<16 | uint32(head[7])<<8 | uint32(head[8]))
		}
	}
}

// crumbs begins all the calls that a connection can have, and sends their messages byte by byte, every other one among
// padding, which is kept with it: each piece is kept until the message is whole. In the place of a connection that the server
// hangs up on comes another.
func (a assault) crumbs() error {
	const calls = 250
	size := a.Many + 1 // the last byte of a message never comes
	pace := pacer{time.Now()}
	long := time.Duration(0)
	if a.Whole {
		long = grpcTime
	}
	for round := 0; round == 0 || time.Since(pace.begun) < long; round++ {
		c, err := net.DialTimeout("tcp", a.Addr, time.Second)
		if err != nil {
			return err
		}
		go func() { _, _ = io.Copy(io.Discard, c) }() // so that the server is not waited for
		_, err = io.WriteString(c, grpcPreface)
		for i := range uint32(calls) {
			if err == nil {
				_, err = io.WriteString(c, grpcCall(2*i+1, decisionCall, size))
			}
		}
		for sent := 0; sent < a.Many && err == nil; sent += 100 {
			var out []byte
			for i := range uint32(calls) {
				piece := grpcFrame(dataFrame, 0, 2*i+1, "a")
				if i%2 == 1 {
					piece = grpcFrame(dataFrame, isPadded, 2*i+1, "\xc8a"+strings.Repeat("\x00", 200))
				}
				out = append(out, strings.Repeat(piece, 100)...)
			}
			_ = c.SetWriteDeadline(time.Now().Add(2 * time.Second)) // one that takes nothing more has won
			_, err = c.Write(out)
			pace.pause()
		}
		c.Close()
	}
	return nil
}

// Kinds of frames of HTTP/2, and flags.
const (
	dataFrame, headersFrame, resetFrame, settingsFrame = 0, 1, 3, 4

	endStream, endHeaders, isPadded = 1, 4, 8
)

// grpcPreface is what a client begins a connection with.
var grpcPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + grpcFrame(settingsFrame, 0, 0, "")

// grpcCall is the beginning of a call, up to the head of a message of so many bytes.
func grpcCall(stream uint32, method string, size int) string {
	var fields []byte
	for _, f := range [][2]string{
		{":method", "POST"},
		{":scheme", "http"},
		{":path", method},
		{":authority", "h"},
		{"content-type", "application/grpc"},
		{"te", "trailers"},
	} {
		fields = append(fields, 0, byte(len(f[0]))) // a literal that is not indexed
		fields = append(append(fields, f[0]...), byte(len(f[1])))
		fields = append(fields, f[1]...)
	}
	message := fourBytes([]byte{0}, uint32(size))
	return grpcFrame(headersFrame, endHeaders, stream, string(fields)) + grpcFrame(dataFrame, 0, stream, string(message))
}

func grpcFrame(kind, flags byte, stream uint32, payload string) string {
	head := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	return string(fourBytes(head, stream)) + payload
}

func fourBytes(b []byte, n uint32) []byte {
	return append(b, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}
