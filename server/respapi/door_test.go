package respapi_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/control"
	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/policy/filesource"
	"github.com/sluice-project/sluice/server/respapi"
	"github.com/sluice-project/sluice/store/ledger"
	"github.com/sluice-project/sluice/store/memstore"
)

// policies are those of most tests.
const policies = `
policies:
  api: {limits: {second: 10/s burst 20, day: 10000/day}}
  login: {limits: [5/15m]}
  quiet: {limits: [1/h], shadow: true}
`

// door is a door that is open.
type door struct {
	t       testing.TB
	door    *respapi.Door
	engine  *engine.Engine
	control *control.Control
	addr    string
	wires   *wires // nil where it listens at addr
}

// open returns a door to an empty embedded store that listens on loopback until the test ends. Unlike its clients, it is told
// whether they are on this machine.
func open(t testing.TB, config respapi.Config, loopback bool) door {
	t.Helper()
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return openAt(t, l, store, config, loopback)
}

// openWires returns a door to a store whose connections are within the process, so that their time can be a test's own.
func openWires(t testing.TB, store sluice.Store, config respapi.Config) door {
	t.Helper()
	if store == nil {
		var err error
		if store, err = memstore.New(memstore.Config{}); err != nil {
			t.Fatal(err)
		}
	}
	w := &wires{dialed: make(chan net.Conn), closed: make(chan struct{})}
	d := openAt(t, w, store, config, true)
	d.wires = w
	return d
}

func openAt(t testing.TB, l net.Listener, store sluice.Store, config respapi.Config, loopback bool) door {
	t.Helper()
	file, err := filesource.Parse("test.yaml", []byte(policies))
	if err != nil {
		t.Fatal(err)
	}
	d := door{t: t, addr: l.Addr().String()}
	entries := ledger.NewMemory(nil)
	c := control.New(entries, store.(control.Keys), control.Config{Swap: func(s *policy.Snapshot) { d.engine.Swap(s) }})
	d.control = c
	d.engine = engine.New(store, engine.Config{View: c})
	if err := c.Start(t.Context(), control.File{Policies: file.Policies}); err != nil {
		t.Fatal(err)
	}
	d.door = respapi.New(d.engine, c, config, respapi.Options{})
	served := make(chan error)
	go func() { served <- d.door.Serve(l, loopback) }()
	t.Cleanup(func() {
		_ = l.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := d.door.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return d
}

// wires is a listener whose connections are pipes.
type wires struct {
	dialed  chan net.Conn
	closed  chan struct{}
	writes  atomic.Int64 // of the door
	longest atomic.Int64 // of them, in bytes
	once    atomic.Bool
}

func (w *wires) Accept() (net.Conn, error) {
	select {
	case conn := <-w.dialed:
		return counted{conn, w}, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

func (w *wires) Close() error {
	if w.once.CompareAndSwap(false, true) {
		close(w.closed)
	}
	return nil
}

func (w *wires) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// counted is a connection whose writes are counted.
type counted struct {
	net.Conn
	by *wires
}

func (c counted) Write(p []byte) (int, error) {
	c.by.writes.Add(1)
	for {
		if was := c.by.longest.Load(); int64(len(p)) <= was || c.by.longest.CompareAndSwap(was, int64(len(p))) {
			break
		}
	}
	return c.Conn.Write(p)
}

// client is a connection to a door, and what comes over it.
type client struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func (d door) dial() *client {
	d.t.Helper()
	var conn net.Conn
	if d.wires != nil {
		var end net.Conn
		conn, end = net.Pipe()
		d.wires.dialed <- end
	} else {
		var err error
		if conn, err = net.Dial("tcp", d.addr); err != nil {
			d.t.Fatal(err)
		}
	}
	d.t.Cleanup(func() { _ = conn.Close() })
	return newClient(d.t, conn)
}

// send sends text as it is.
func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatalf("send %.100q: %v", text, err)
	}
}

// command returns words as a client sends them.
func command(words ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b.String()
}

// do sends a command, whose words are separated by blanks, and returns its answer.
func (c *client) do(line string) any {
	c.t.Helper()
	c.send(command(strings.Fields(line)...))
	return c.read()
}

// pairs are names and values in turn, as RESP3 has them in a map.
type pairs []any

// failure is an answer that is an error.
type failure string

// read returns the next answer: a string, int64, bool, failure, nil, []any or pairs.
func (c *client) read() any {
	c.t.Helper()
	v, err := readValue(c.in)
	if err != nil {
		c.t.Fatalf("read an answer: %v", err)
	}
	return v
}

// gone reports whether the door has ended the connection, and nothing more came before that.
func (c *client) gone() bool {
	_ = c.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, err := c.in.ReadByte()
	return err != nil && !isTimeout(err)
}

func isTimeout(err error) bool {
	t, ok := err.(interface{ Timeout() bool })
	return ok && t.Timeout()
}

func readValue(in *bufio.Reader) (any, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(line, "\r\n") || len(line) < 3 {
		return nil, fmt.Errorf("the line %q is none of RESP", line)
	}
	kind, rest := line[0], line[1:len(line)-2]
	switch kind {
	case '+':
		return rest, nil
	case '-':
		return failure(rest), nil
	case '#':
		return rest == "t", nil
	case '_':
		return nil, nil
	}
	n, err := strconv.ParseInt(rest, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("the line %q is none of RESP", line)
	}
	switch kind {
	case ':':
		return n, nil
	case '$', '=':
		if n < 0 {
			return nil, nil
		}
		text := make([]byte, n+2)
		if _, err := io.ReadFull(in, text); err != nil || string(text[n:]) != "\r\n" {
			return nil, fmt.Errorf("the text %q does not end as it should: %w", text, err)
		}
		if kind == '=' {
			return string(text[4:n]), nil
		}
		return string(text[:n]), nil
	case '*', '~':
		all := make([]any, n)
		for i := range all {
			if all[i], err = readValue(in); err != nil {
				return nil, err
			}
		}
		return all, nil
	case '%':
		all := make(pairs, 2*n)
		for i := range all {
			if all[i], err = readValue(in); err != nil {
				return nil, err
			}
		}
		return all, nil
	}
	return nil, fmt.Errorf("the line %q is none of RESP", line)
}

func newClient(t testing.TB, conn net.Conn) *client { return &client{t, conn, bufio.NewReader(conn)} }
