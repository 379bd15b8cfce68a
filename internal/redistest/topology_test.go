package redistest_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluice-project/sluice/internal/redistest"
)

func TestSlotMoves(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	const key, slot = "{foo}1", 12182
	from, to := c.Owner(slot), c.Nodes[0]
	from.Do(t, "SET", key, "v")
	c.BeginMove(t, slot, from, to)
	for command, want := range map[string]string{"GET {foo}2": "ASK 12182 " + to.Addr(), "MGET {foo}1 {foo}2": "TRYAGAIN"} {
		if _, err := from.Try(strings.Fields(command)...); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s while the slot moves: %v, want %s", command, err, want)
		}
	}
	c.EndMove(t, slot, from, to)
	if got := to.Do(t, "GET", key); got != "v" {
		t.Errorf("GET after the move = %v, want v", got)
	}
	if _, err := from.Try("GET", key); err == nil || err.Error() != "MOVED 12182 "+to.Addr() {
		t.Errorf("GET where it was: %v, want MOVED", err)
	}
}

func TestClusterWithReplicas(t *testing.T) {
	t.Parallel()
	c := redistest.StartClusterOf(t, redistest.ClusterOptions{
		Replicas: true, NodeTimeout: time.Second, Options: redistest.Options{Password: "pw"},
	})
	conn := c.Nodes[2].Connect(t)
	for _, command := range []string{"AUTH pw", "SET foo v", "WAIT 1 10000"} { // it waits for what its own connection has written
		if _, err := conn.Do(strings.Fields(command)...); err != nil {
			t.Fatal(err)
		}
	}
	c.Nodes[2].Kill()
	c.Replicas[2].WaitForInfo(t, "replication", "role:master")
	if got := c.Replicas[2].Do(t, "GET", "foo"); got != "v" {
		t.Errorf("GET after the failover = %v, want v", got)
	}
}

func TestProxy(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{})
	p := redistest.StartProxy(t, s.Addr())
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	ping := func(conn net.Conn, patience time.Duration) error {
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		if _, err := conn.Write([]byte("PING\r\n")); err != nil {
			return err
		}
		_, err := conn.Read(make([]byte, 16))
		return err
	}
	old := dial()
	if err := ping(old, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	p.Lose()
	if err := ping(old, 100*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("PING by a lost connection: %v, want no answer", err)
	}
	other := dial()
	if err := ping(other, 10*time.Second); err != nil {
		t.Errorf("PING by another connection: %v", err)
	}
	p.Cut()
	if err := ping(other, 10*time.Second); !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") && !strings.Contains(err.Error(), "broken pipe") {
		t.Errorf("PING by a connection that was cut: %v, want its end", err)
	}
}
