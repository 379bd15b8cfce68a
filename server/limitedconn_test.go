package server

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestWritesEnd has a client take nothing of what TLS answers it while it is read, for which nobody sets a deadline.
func TestWritesEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer there.Close()
		c := &limitedConn{Conn: here}
		defer here.Close()
		for _, test := range []struct {
			name string
			set  func(time.Time) error
			in   time.Duration // 0 for no deadline
			want time.Duration
		}{
			{"none", c.SetWriteDeadline, 0, writeTime},
			{"one of its own", c.SetWriteDeadline, time.Second, time.Second},
			{"one for both", c.SetDeadline, time.Minute, time.Minute},
			{"none any more", c.SetDeadline, 0, writeTime},
		} {
			begun, until := time.Now(), time.Time{}
			if test.in != 0 {
				until = begun.Add(test.in)
			}
			if err := test.set(until); err != nil {
				t.Fatal(err)
			}
			_, err := c.Write([]byte("x"))
			if took := time.Since(begun); !errors.Is(err, os.ErrDeadlineExceeded) || took != test.want {
				t.Errorf("%s: a write ended after %s with %v, want after %s", test.name, took, err, test.want)
			}
		}
	})
}
