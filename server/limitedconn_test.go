package server

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
)

// TestWritesEnd has a client take nothing of what TLS answers it while it is read, for which nobody sets a deadline.
func TestWritesEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer there.Close()
		c := &limitedConn{Conn: here, from: limitConnections(nil, 1)}
		defer here.Close()
		for _, test := range []struct {
			name string
			set  func(time.Time) error
			in   time.Duration // 0 for no deadline
			want time.Duration
		}{
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
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("a client who has taken nothing is read still: %v", err)
		}
	})
}

// one is a listener for one connection.
type one chan net.Conn

func (l one) Accept() (net.Conn, error) {
	if c, ok := <-l; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l one) Close() error   { close(l); return nil }
func (l one) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// TestWhoTakesNothingOverGRPC has a client of gRPC take no answer, but go on to send. The library ends what writes to it and
// goes on to read, with all that the client has had it begin.
func TestWhoTakesNothingOverGRPC(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer there.Close()
		l := make(one, 1)
		l <- here
		s, ended := grpc.NewServer(), make(chan struct{})
		go func() {
			defer close(ended)
			_ = s.Serve(limitConnections(l, 1))
		}()
		defer func() {
			s.Stop()
			<-ended
		}()
		client := http2.NewFramer(there, there)
		if _, err := client.ReadFrame(); err != nil { // the settings of the server
			t.Fatal(err)
		}
		if _, err := io.WriteString(there, http2.ClientPreface); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		for err := client.WriteSettings(); time.Since(begun) < time.Hour; err = client.WriteWindowUpdate(0, 1) { // answered from here on
			if err != nil {
				break
			}
			time.Sleep(10 * time.Second)
		}
		if lasted := time.Since(begun); lasted > writeTime+10*time.Second {
			t.Errorf("the connection of a client who takes nothing lasted for %s, want %s", lasted, writeTime)
		}
	})
}
