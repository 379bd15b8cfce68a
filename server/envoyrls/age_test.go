package envoyrls_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sluice-project/sluice/server/envoyrls"
)

// lasts has a stranger send a ping a minute, and returns how long he can.
func (s *stranger) lasts() time.Duration {
	begun, ended := time.Now(), s.conn.(*buffered).closed
	for time.Since(begun) < 10*time.Hour && s.WritePing(false, [8]byte{}) == nil {
		select {
		case <-ended:
			return time.Since(begun)
		case <-time.After(time.Minute):
		}
	}
	return time.Since(begun)
}

// TestAge has strangers hold answers: one gives them no room, and answers whether he is there; one reads nothing at all.
func TestAge(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name        string
		cfg         envoyrls.ServerConfig
		least, most time.Duration
	}{
		{"by default", envoyrls.ServerConfig{}, 27 * time.Minute, 36 * time.Minute},
		{"as is said", envoyrls.ServerConfig{MaxConnectionAge: 2 * time.Hour, MaxConnectionAgeGrace: 10 * time.Minute}, 118 * time.Minute, 146 * time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, reads := range []bool{true, false} {
				synctest.Test(t, func(t *testing.T) {
					_, p := serveDoor(t, test.cfg)
					s := p.stranger(t)
					var asked atomic.Bool // to make another connection
					if reads {
						s.must(s.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize}))
						acks := http2.NewFramer(s.conn, nil)
						go func() {
							for frame, err := s.ReadFrame(); err == nil; frame, err = s.ReadFrame() {
								switch f := frame.(type) {
								case *http2.GoAwayFrame:
									asked.Store(true)
								case *http2.PingFrame:
									if !f.IsAck() {
										_ = acks.WritePing(true, f.Data)
									}
								}
							}
						}()
					} else {
						for range 2 { // settings and a window, without which nothing begins
							if _, err := s.ReadFrame(); err != nil {
								t.Fatal(err)
							}
						}
					}
					s.call(1, healthpb.Health_Check_FullMethodName)
					s.must(s.WriteData(1, true, make([]byte, 5)))
					if lasted := s.lasts(); lasted < test.least || lasted > test.most {
						t.Errorf("the connection of one who gives answers no room (and reads: %t) lasted for %s, want %s to %s", reads, lasted, test.least, test.most)
					}
					if asked.Load() != reads {
						t.Errorf("who reads (%t) was asked to make another connection: %t", reads, asked.Load())
					}
				})
			}
		})
	}
}

// TestHeader asks with metadata as long as they may be, and longer.
func TestHeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, p := serveDoor(t, envoyrls.ServerConfig{})
		c := p.client(t)
		if _, _, err := askOver(t, c); err != nil { // the client knows what may be, then
			t.Fatal(err)
		}
		for length, want := range map[int]codes.Code{15 << 10: codes.OK, 16 << 10: codes.Internal} {
			ctx := metadata.AppendToOutgoingContext(t.Context(), "k", strings.Repeat("v", length))
			if _, err := healthpb.NewHealthClient(c).Check(ctx, &healthpb.HealthCheckRequest{}); status.Code(err) != want {
				t.Errorf("a header of %d bytes is answered %v, want %s", length, err, want)
			}
		}
	})
}
