package envoyrls_test

import (
	"bytes"
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/sluice-project/sluice/server/envoyrls"
)

// stranger is a client who writes what frames he likes.
type stranger struct {
	*http2.Framer
	t    *testing.T
	conn net.Conn
}

func (p *pipes) stranger(t *testing.T) *stranger {
	t.Helper()
	conn, err := p.dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	s := &stranger{http2.NewFramer(conn, conn), t, conn}
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	s.must(s.WriteSettings())
	return s
}

func (s *stranger) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// call begins a call.
func (s *stranger) call(stream uint32, method string) {
	s.t.Helper()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", method}, {":authority", "door"}, {"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		s.must(encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}))
	}
	s.must(s.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true}))
}

// TestCrumbsOfAStranger has somebody send messages byte by byte, through several calls of one connection. He is hung up on, and
// nobody else is.
func TestCrumbsOfAStranger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, p := serveDoor(t, envoyrls.ServerConfig{})
		honest := p.client(t)
		if _, _, err := askOver(t, honest); err != nil {
			t.Fatal(err)
		}
		s := p.stranger(t)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				if _, err := s.ReadFrame(); err != nil {
					return
				}
			}
		}()
		const calls = 4
		for i := range calls {
			s.call(uint32(2*i+1), pb.RateLimitService_ShouldRateLimit_FullMethodName)
			s.must(s.WriteData(uint32(2*i+1), false, []byte{0, 0, 0, 0xff, 0xff}))
		}
		// As many as may come: of the four heads of messages all but the last are made good by the calls.
		for i := range 9_999 {
			s.must(s.WriteData(uint32(2*(i%calls)+1), false, []byte{0}))
		}
		synctest.Wait()
		select {
		case <-ended:
			t.Fatal("the connection has ended before it sent too many")
		default:
		}
		begun := time.Now()
		s.must(s.WriteData(1, false, []byte{0}))
		if <-ended; time.Since(begun) > 0 {
			t.Errorf("who has sent too many is hung up on after %s, want at once", time.Since(begun))
		}
		if _, _, err := askOver(t, honest); err != nil {
			t.Errorf("somebody else is answered %v", err)
		}
	})
}

// TestWindowStays has somebody send much at a time, by which the library would take it that the network is fast, and have him
// send more before he is read.
func TestWindowStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, p := serveDoor(t, envoyrls.ServerConfig{})
		s := p.stranger(t)
		most := make(chan uint32, 1)
		go func() {
			window := uint32(0)
			defer func() { most <- window }()
			for {
				frame, err := s.ReadFrame()
				if err != nil {
					return
				}
				switch f := frame.(type) {
				case *http2.SettingsFrame:
					if n, ok := f.Value(http2.SettingInitialWindowSize); ok {
						window = max(window, n)
					}
				case *http2.PingFrame:
					if !f.IsAck() && s.WritePing(true, f.Data) != nil {
						return
					}
				}
			}
		}()
		s.call(1, healthpb.Health_Watch_FullMethodName)
		for i := range 4 {
			stream := uint32(2*i + 3)
			s.call(stream, "/no.such/Method")
			for range 4 {
				s.must(s.WriteData(stream, false, make([]byte, 15<<10)))
			}
			synctest.Wait()
		}
		s.conn.Close()
		if got := <-most; got > 64<<10 {
			t.Errorf("a call may send %d bytes before it is read, want 64 KiB at most", got)
		}
	})
}
