//go:build unix

package world

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"
)

// startEcho returns a proxy to a server that says what it is told, and a connection through it.
func startEcho(t *testing.T) (*Proxy, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn) // until the other side has ended
				conn.Close()
			}()
		}
	}()
	free := ports{next: rand.IntN, used: map[int]bool{}}
	port, err := free.free()
	if err != nil {
		t.Fatal(err)
	}
	p, err := newProxy(port, l.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	conn, err := net.Dial("tcp", address(port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	requireEcho(t, conn, "begin")
	return p, conn
}

func say(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

// hear returns what is said within a time.
func hear(t *testing.T, conn net.Conn, n int, within time.Duration) (string, error) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	text := make([]byte, n)
	read, err := io.ReadFull(conn, text)
	return string(text[:read]), err
}

func requireEcho(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	say(t, conn, text)
	if got, err := hear(t, conn, len(text), patience); got != text || err != nil {
		t.Fatalf("the echo of %q is %q, %v", text, got, err)
	}
}

// shortly is long enough for what passes to have passed; it is real time, across sockets.
const shortly = 50 * time.Millisecond

func requireSilence(t *testing.T, conn net.Conn) {
	t.Helper()
	if got, err := hear(t, conn, 1, shortly); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("heard %q, %v, want nothing", got, err)
	}
}

func requireEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	if got, err := hear(t, conn, 1, patience); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("heard %q, %v, want the end", got, err)
	}
}

func TestProxyHolds(t *testing.T) {
	t.Parallel()
	for _, c := range []Condition{{Up: Hold}, {Down: Hold}, {Up: Hold, Down: Hold}} {
		p, conn := startEcho(t)
		p.Set(c)
		say(t, conn, "later")
		requireSilence(t, conn)
		p.Heal()
		if got, err := hear(t, conn, 5, patience); got != "later" || err != nil {
			t.Errorf("%+v: heard %q, %v, want what was held", c, got, err)
		}
	}
}

func TestProxySwallows(t *testing.T) {
	t.Parallel()
	for _, c := range []Condition{{Up: Swallow}, {Down: Swallow}} {
		p, conn := startEcho(t)
		p.Set(c)
		say(t, conn, "lost")
		requireSilence(t, conn)
		p.Heal()
		requireEnd(t, conn)
	}
	p, conn := startEcho(t) // nothing was said, so there is no hole
	p.Set(Condition{Up: Swallow})
	p.Heal()
	requireEcho(t, conn, "on")
}

func TestProxyRefuses(t *testing.T) {
	t.Parallel()
	p, conn := startEcho(t)
	p.Set(Condition{Refuse: true})
	requireEnd(t, conn)
	next, err := net.Dial("tcp", p.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	requireEnd(t, next)
}

func TestProxyIsHalfOpen(t *testing.T) {
	t.Parallel()
	p, conn := startEcho(t)
	p.HalfOpen()
	say(t, conn, "anybody?")
	requireSilence(t, conn)
	next, err := net.Dial("tcp", p.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	requireEcho(t, next, "new")
	p.Heal()
	requireEnd(t, conn)
	requireEcho(t, next, "still")
}

func TestProxyDelays(t *testing.T) {
	t.Parallel()
	p, conn := startEcho(t)
	p.Set(Condition{Delay: shortly})
	begin := time.Now()
	requireEcho(t, conn, "slow")
	if took := time.Since(begin); took < 2*shortly {
		t.Errorf("an echo took %s, want %s at least", took, 2*shortly)
	}
}
