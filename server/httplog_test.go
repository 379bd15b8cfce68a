package server

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-project/sluice/policy/filesource"
)

// lockedBuffer is a buffer that timers write while a test reads it.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// take returns what was written since it was taken last.
func (b *lockedBuffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.text.Reset()
	return b.text.String()
}

// TestHTTPLog logs a line at once, one each five seconds where there are many, and how many there were.
func TestHTTPLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logged lockedBuffer
		timeless := func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}
		l := newHTTPLog(slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{ReplaceAttr: timeless})))
		want := func(lines ...string) {
			t.Helper()
			synctest.Wait()
			if got, want := logged.take(), strings.Join(lines, "\n")+"\n"; got != want {
				t.Errorf("logged is\n%swant\n%s", got, want)
			}
		}
		for i := range 3000 {
			l.Printf("http: TLS handshake error from %d: EOF", i)
		}
		l.Print("http: panic serving somebody")
		want(`level=WARN msg="http: TLS handshake error from 0: EOF"`, `level=WARN msg="http: panic serving somebody"`)
		time.Sleep(5 * time.Second)
		want(`level=WARN msg="http: TLS handshake error from 2999: EOF" lines_like_it=2999 within=5s`)
		l.Print("http: TLS handshake error from x: EOF")
		time.Sleep(5 * time.Second)
		want(`level=WARN msg="http: TLS handshake error from x: EOF" lines_like_it=1 within=5s`)
		time.Sleep(6 * time.Second) // in the last five of which there is none
		l.Print("http: TLS handshake error from y: EOF")
		want(`level=WARN msg="http: TLS handshake error from y: EOF"`)
		time.Sleep(time.Minute)
		if text := logged.take(); text != "" {
			t.Errorf("nothing was said, and logged is %s", text)
		}
	})
}

// garbled is a listener whose connections all begin with what is no TLS.
type garbled struct{ left chan net.Conn }

func (g garbled) Accept() (net.Conn, error) {
	if conn, more := <-g.left; more {
		return conn, nil
	}
	return nil, errors.New("there are no more")
}

func (garbled) Close() error   { return nil }
func (garbled) Addr() net.Addr { return &net.TCPAddr{} }

// TestBadHandshakes has a thousand clients that speak no TLS fill no log.
func TestBadHandshakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logged lockedBuffer
		g := garbled{make(chan net.Conn)}
		s := &Server{logger: slog.New(slog.NewTextHandler(&logged, nil)), started: &filesource.File{}}
		server := s.newHTTPServer(door{net: g, certs: &certificates{}})
		served := make(chan error)
		go func() { served <- server.ServeTLS(g, "", "") }()
		for range 1000 {
			conn, end := net.Pipe()
			g.left <- end
			_, _ = fmt.Fprint(conn, "no TLS at all\r\n") // the server may have gone before it has all
			_ = conn.Close()
		}
		time.Sleep(time.Minute)
		close(g.left)
		<-served
		synctest.Wait() // what is logged later was logged before that
		text := logged.take()
		if lines := strings.Count(text, "\n"); lines < 2 || lines > 3 {
			t.Errorf("a thousand bad handshakes are %d lines:\n%.1000s", lines, text)
		}
	})
}
