package envoyrls_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/sluice-project/sluice/server/envoyrls"
)

// TestInVain has strangers take nothing, and send what the library answers besides calls, over and over: what it answers waits.
// They are hung up on, and who sends as many calls and ends them is not.
func TestInVain(t *testing.T) {
	t.Parallel()
	const vain = 1000
	for _, test := range []struct {
		name string
		send func(s *stranger, i int)
		most int // how often it may be sent; 0 for as often as one likes
	}{
		{"calls of no number", func(s *stranger, _ int) { s.call(2, pb.RateLimitService_ShouldRateLimit_FullMethodName) }, vain},
		{"calls of something else", func(s *stranger, i int) { s.header(uint32(2*i+1), "content-type", strings.Repeat("\xff", 8<<10)) }, vain},
		{"calls of something else, and an end of each", func(s *stranger, i int) {
			s.header(uint32(2*i+1), "content-type", "x")
			s.must(s.WriteRSTStream(uint32(2*i+1), http2.ErrCodeCancel))
		}, vain},
		{"settings", func(s *stranger, _ int) { s.must(s.WriteSettings()) }, vain},
		{"many settings", func(s *stranger, _ int) { s.must(s.WriteSettings(make([]http2.Setting, 1000)...)) }, 10},
		{"calls that are ended", func(s *stranger, i int) {
			s.call(uint32(2*i+1), pb.RateLimitService_ShouldRateLimit_FullMethodName)
			s.must(s.WriteData(uint32(2*i+1), true, make([]byte, 5)))
			s.must(s.WriteRSTStream(uint32(2*i+1), http2.ErrCodeCancel))
		}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				_, p := serveDoor(t, envoyrls.ServerConfig{})
				s := p.stranger(t)
				for range 2 { // settings and a window, without which nothing begins
					if _, err := s.ReadFrame(); err != nil {
						t.Fatal(err)
					}
				}
				isOpen := func() bool {
					synctest.Wait()
					select {
					case <-s.conn.(*buffered).closed:
						return false
					default:
						return true
					}
				}
				sent := 0
				for ; sent < 3*vain && isOpen(); sent++ {
					test.send(s, sent)
				}
				if most := test.most; most == 0 && sent < 3*vain || most > 0 && (sent < most-10 || sent > most+10) {
					t.Errorf("who sends that can do so %d times, want %d; 0 is for ever", sent, most)
				}
			})
		})
	}
}

// TestManyCalls has a client have as many calls under way as it may, again and again.
func TestManyCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, p := serveDoor(t, envoyrls.ServerConfig{})
		c := p.client(t)
		ended := make(chan error)
		for range 250 {
			go func() {
				var failed error
				for range 20 {
					if _, _, err := askOver(t, c); err != nil {
						failed = err
					}
				}
				ended <- failed
			}()
		}
		for range 250 {
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
		}
	})
}

// header begins a stream with one field.
func (s *stranger) header(stream uint32, name, value string) {
	s.t.Helper()
	var block bytes.Buffer
	s.must(hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: name, Value: value, Sensitive: true}))
	s.must(s.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true}))
}
