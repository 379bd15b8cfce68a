//go:build unix

package callers

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/sluice-project/sluice/server/e2e/chaos/record"
	"github.com/sluice-project/sluice/server/e2e/chaos/world"
)

const (
	// pingEvery is how often a server is asked whether it is alive.
	pingEvery = 5 * time.Millisecond
	// noticed is from when on a question that needs no store, or a sleep, has taken remarkably long.
	noticed = 3 * time.Millisecond
)

// ping asks a server all the time whether it is alive, and notes when that took long. The cheapest question is that of a
// client of Redis.
func (c *Callers) ping(ctx context.Context, s *world.Server) {
	var slow []record.Ping
	var conn *line
	n := 0
	for ; ctx.Err() == nil; n++ {
		begin := time.Now()
		err := pong(&conn, s)
		took := time.Since(begin)
		if took > noticed || err != nil {
			slow = append(slow, record.Ping{Server: s.Number, Asked: begin.UnixNano(), Took: int64(took), Failed: err != nil})
		}
		time.Sleep(pingEvery - took)
	}
	if conn != nil {
		_ = conn.Close() // nothing is under way
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pings = append(c.pings, slow...)
	c.asked += n
}

// line is a connection by which a server is asked whether it is alive.
type line struct {
	net.Conn
	token string // that it has shown
}

// connect makes a line.
func connect(s *world.Server) (*line, error) {
	conn, err := net.DialTimeout("tcp", s.RESP, patience)
	if err != nil {
		return nil, err
	}
	if config := s.TLS(); config != nil {
		conn = tls.Client(conn, config)
	}
	return &line{Conn: conn}, nil
}

// says sends a command and sees that the answer is what it should be.
func (l *line) says(command, want string) error {
	if _, err := io.WriteString(l, command+"\r\n"); err != nil {
		return err
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(l, got); err != nil {
		return err
	}
	if string(got) != want {
		return fmt.Errorf("the answer begins with %q", got)
	}
	return nil
}

// pong asks once, on a line that is made where there is none.
func pong(l **line, s *world.Server) (err error) {
	if *l == nil {
		if *l, err = connect(s); err != nil {
			*l = nil
			return err
		}
	}
	defer func() {
		if err != nil {
			_ = (*l).Close() // it is of no use any more
			*l = nil
		}
	}()
	if err := (*l).SetDeadline(time.Now().Add(pongPatience)); err != nil {
		return err
	}
	if token := s.Token(); token != (*l).token {
		if err := (*l).says("AUTH "+token, "+OK\r\n"); err != nil {
			return err
		}
		(*l).token = token
	}
	return (*l).says("PING", "+PONG\r\n")
}

// pongPatience is how long a server may take to say that it is alive.
const pongPatience = 10 * time.Second

// watchClock notes how much later than it should this process is woken.
func (c *Callers) watchClock(ctx context.Context) {
	var late []record.Ping
	for ctx.Err() == nil {
		begin := time.Now()
		time.Sleep(noticed)
		if by := time.Since(begin) - noticed; by > noticed {
			late = append(late, record.Ping{Asked: begin.UnixNano(), Took: int64(by)})
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.late = late
}
