package envoyrls

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// arriving is a connection from which can be read what a client has sent, so many bytes at a time.
type arriving struct {
	net.Conn
	sent  io.Reader
	bytes int
}

func (arriving) Close() error { return nil }

func (a arriving) Read(p []byte) (int, error) { return a.sent.Read(p[:min(a.bytes, len(p))]) }

// beginning begins calls by all headers that it reads.
type beginning struct {
	net.Conn
	metered *meteredConn
}

func (b beginning) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	for b.metered.vain > 0 {
		b.metered.begun()
	}
	return n, err
}

// TestCrumbs has clients send frames of many kinds, in pieces of many lengths, and sees when they are hung up on.
func TestCrumbs(t *testing.T) {
	t.Parallel()
	call := func(f *http2.Framer) error {
		return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}, EndHeaders: true})
	}
	piece := func(length int, ends bool, padding int) func(*http2.Framer) error {
		return func(f *http2.Framer) error {
			var pad []byte
			if padding > 0 {
				pad = make([]byte, padding)
			}
			return f.WriteDataPadded(1, ends, make([]byte, length), pad)
		}
	}
	const many = 25_000
	for _, test := range []struct {
		name   string
		frames []func(*http2.Framer) error // of each round
		want   int                         // how many rounds are read
	}{
		{"crumbs", []func(*http2.Framer) error{piece(1, false, 0)}, 10_000},
		{"empty pieces", []func(*http2.Framer) error{piece(0, false, 0)}, 10_000},
		{"the longest crumbs", []func(*http2.Framer) error{piece(63, false, 0)}, 10_000},
		{"the shortest that are none", []func(*http2.Framer) error{piece(64, false, 0)}, many},
		{"crumbs among padding", []func(*http2.Framer) error{piece(1, false, 200)}, 10_000},
		{"the ends of messages", []func(*http2.Framer) error{piece(1, true, 0)}, many},
		{"a crumb of each call", []func(*http2.Framer) error{call, piece(50, false, 0), piece(0, true, 0)}, many},
		{"two crumbs of each call", []func(*http2.Framer) error{call, piece(5, false, 0), piece(50, false, 0)}, many},
		{"three crumbs of each call", []func(*http2.Framer) error{call, piece(1, false, 0), piece(1, false, 0), piece(1, false, 0)}, 9_998},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			sent := bytes.NewBufferString(http2.ClientPreface)
			framer := http2.NewFramer(sent, nil)
			ends := make([]int, many) // of each round
			for i := range many {
				for _, write := range test.frames {
					if err := write(framer); err != nil {
						t.Fatal(err)
					}
				}
				ends[i] = sent.Len()
			}
			for _, length := range []int{1, 7, 32 << 10} {
				conn, info, err := meter(nil, time.Hour).ServerHandshake(arriving{sent: bytes.NewReader(sent.Bytes()), bytes: length})
				if err != nil {
					t.Fatal(err)
				}
				read, err := io.Copy(io.Discard, beginning{conn, info.(meteredInfo).conn})
				conn.Close()
				if hungUp := errors.Is(err, errCrumbs); hungUp != (test.want < many) || !hungUp && err != nil {
					t.Fatalf("in pieces of %d bytes, reading ends by %v", length, err)
				}
				if err == nil {
					continue
				}
				// What came together with the first crumb too many is lost with it.
				if most, least := ends[test.want], ends[test.want-1]-length; int(read) > most || int(read) < least {
					t.Errorf("in pieces of %d bytes, %d bytes were read, want those of %d rounds, which are %d", length, read, test.want, ends[test.want-1])
				}
			}
		})
	}
}
