//go:build unix

package callers

import (
	"context"
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
	var conn net.Conn
	n := 0
	for ; ctx.Err() == nil; n++ {
		begin := time.Now()
		err := pong(&conn, s.RESP)
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

// pong asks once, on a connection that is made where there is none.
func pong(conn *net.Conn, addr string) (err error) {
	if *conn == nil {
		if *conn, err = net.DialTimeout("tcp", addr, patience); err != nil {
			*conn = nil
			return err
		}
	}
	defer func() {
		if err != nil {
			_ = (*conn).Close() // it is of no use any more
			*conn = nil
		}
	}()
	if err := (*conn).SetDeadline(time.Now().Add(pongPatience)); err != nil {
		return err
	}
	if _, err := io.WriteString(*conn, "PING\r\n"); err != nil {
		return err
	}
	_, err = io.ReadFull(*conn, make([]byte, len("+PONG\r\n")))
	return err
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
