package respapi

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/server/telemetry"
	"github.com/sluice-project/sluice/store/memstore"
)

// nobody is a connection that takes all answers.
type nobody struct {
	net.Conn
	written int
}

func (c *nobody) Write(p []byte) (int, error) {
	c.written += len(p)
	return len(p), nil
}

// BenchmarkThrottle answers CL.THROTTLE for keys in random order, so many of which arrive together; what is reported is of
// one.
func BenchmarkThrottle(b *testing.B) {
	const keys = 100_000
	for _, depth := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(depth), func(b *testing.B) {
			store, err := memstore.New(memstore.Config{})
			if err != nil {
				b.Fatal(err)
			}
			e := engine.New(store, engine.Config{Observer: telemetry.New("").Observe})
			conn := &nobody{}
			s := newSession(New(e, nil, Config{}, Options{}), conn, 1, true)
			var batches [][]byte
			random := rand.New(rand.NewPCG(1, 2))
			for range keys / depth {
				var in []byte
				for range depth {
					in = fmt.Appendf(in, "*5\r\n$11\r\nCL.THROTTLE\r\n$16\r\nkey:%012d\r\n$2\r\n15\r\n$2\r\n30\r\n$2\r\n60\r\n", random.IntN(keys))
				}
				batches = append(batches, in)
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				in := batches[n%len(batches)]
				n++
				if used := s.answer(in); used != len(in) || !s.flush() {
					b.Fatalf("answered %d of %d bytes", used, len(in))
				}
			}
			if conn.written < n*depth*len("*5\r\n:0\r\n:16\r\n:0\r\n:0\r\n:0\r\n") {
				b.Errorf("%d bytes were written for %d commands", conn.written, n*depth)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*depth), "ns/command")
		})
	}
}
