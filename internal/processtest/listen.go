//go:build unix

package processtest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"
)

// The ports that FreeAddr takes from. They lie below those that systems give to outgoing connections, one of which could
// otherwise take the port before the program listens there.
const (
	firstPort = 10_000
	lastPort  = 29_999
)

// given are the ports that this process has handed out: a program may not listen yet when the next one is wanted.
var given = struct {
	sync.Mutex
	ports map[int]bool
}{ports: map[int]bool{}}

// FreeAddr returns a loopback address at which nobody listens, for a program that cannot choose a free port itself.
func FreeAddr(t testing.TB) string {
	t.Helper()
	given.Lock()
	defer given.Unlock()
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if given.ports[port] {
			continue
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		given.ports[port] = true
		return addr
	}
	t.Fatalf("no port of %d to %d is free on 127.0.0.1", firstPort, lastPort)
	return ""
}

// WaitListening waits until somebody takes connections at an address, which is meant to be the process.
func (p *Process) WaitListening(t testing.TB, addr string) {
	t.Helper()
	for late := time.Now().Add(Patience); ; {
		conn, err := net.DialTimeout("tcp", addr, Patience)
		if err == nil {
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			return
		}
		select {
		case <-p.exited:
			t.Fatalf("%s ended (%s) before it listened on %s", p.Cmd, p.Cmd.ProcessState, addr)
		case <-time.After(10 * time.Millisecond): // it does not say when it listens
		}
		if time.Now().After(late) {
			t.Fatalf("%s does not listen on %s after %s: %v", p.Cmd, addr, Patience, err)
		}
	}
}
