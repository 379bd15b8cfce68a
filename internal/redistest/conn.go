package redistest

import (
	"bufio"
	"crypto/tls"
	"net"
	"testing"
	"time"
)

// Conn is a connection to a server of a client that has little to say. It is for one goroutine at a time.
type Conn struct {
	net.Conn
	reader *bufio.Reader
}

// Connect returns a connection to the server, without a password. It ends with the test.
func (s *Server) Connect(t testing.TB) *Conn {
	t.Helper()
	c, err := s.connect()
	if err != nil {
		t.Fatalf("connect to redis-server: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (s *Server) connect() (*Conn, error) {
	conn, err := net.DialTimeout("tcp", s.Addr(), patience)
	if err != nil {
		return nil, err
	}
	if s.tls != nil {
		conn = tls.Client(conn, s.tls)
	}
	return &Conn{conn, bufio.NewReader(conn)}, nil
}

// Do sends a command and returns the answer as [Server.Do] does, and as an error what the server answers as one.
func (c *Conn) Do(args ...string) (any, error) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	return roundTrip(c, c.reader, args...)
}

// Send sends a command and does not wait for the answer.
func (c *Conn) Send(args ...string) error {
	_, err := c.Write(encode(args))
	return err
}
