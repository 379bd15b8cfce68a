package respapi_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-project/sluice/server/respapi"
)

// bursts are what has a session take memory of each kind.
var bursts = []struct {
	name string
	text string
}{
	{"checks", strings.Repeat("SL.CHECK api k\n", 2000)},
	{"looks", strings.Repeat("SL.PEEK api k\n", 1500)},
	{"throttles", strings.Repeat(command("CL.THROTTLE", "k", "15", "30", "60"), 1000)},
	{"a long line", "ECHO " + strings.Repeat("x", 60_000) + "\n"},
	{"a long text", command("ECHO", strings.Repeat("x", 60_000))},
	{"a key that is looked for", command("COMMAND", "GETKEYS", "CL.THROTTLE", strings.Repeat("k", 65_000))},
	{"long keys", strings.Repeat(command("SL.CHECK", "api", strings.Repeat("k", 4000)), 16)},
}

// last is sent behind a burst, and known by its answer.
const last, lastAnswer = "*2\r\n$4\r\nECHO\r\n$9\r\nthe last.\r\n", "$9\r\nthe last.\r\n"

// heap returns how much is in use of it.
func heap() int {
	runtime.GC()
	runtime.GC() // what a pool gave back at the first goes at the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// connect returns an end of a connection within the process, without what a client would hold.
func (d door) connect() net.Conn {
	conn, end := net.Pipe()
	d.wires.dialed <- end
	d.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// TestQuietConnections lets go of what a burst has taken where the client says no more than a word now and then.
func TestQuietConnections(t *testing.T) {
	const connections, most = 40, 12 << 10
	for _, burst := range bursts {
		t.Run(burst.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testQuiet(t, burst.text+last, false, connections, most) })
		})
	}
	// What the standard library keeps for TLS, the client's end of it among that, is more than the door does.
	t.Run("TLS", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { testQuiet(t, bursts[0].text+last, true, connections, 64<<10) })
	})
}

func testQuiet(t *testing.T, text string, secure bool, connections, most int) {
	config, wrap := respapi.Config{}, func(conn net.Conn) net.Conn { return conn }
	if secure {
		server, roots := certificate(t)
		config.TLS = &tls.Config{Certificates: []tls.Certificate{server}}
		wrap = func(conn net.Conn) net.Conn {
			return tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: "localhost"})
		}
	}
	d, into := openWires(t, nil, config), make([]byte, 64<<10)
	before := heap()
	var all []net.Conn
	for range connections {
		all = append(all, wrap(d.connect()))
	}
	burst := func() {
		for _, conn := range all {
			go func() { _, _ = io.WriteString(conn, text) }()
			readUntil(t, conn, into, lastAnswer)
		}
	}
	burst()
	if d.door.Wide() == 0 {
		t.Error("no session holds much behind a burst")
	}
	for range 5 {
		time.Sleep(time.Second)
		for _, conn := range all { // a word keeps nothing
			if _, err := io.WriteString(conn, "PING\n"); err != nil {
				t.Fatal(err)
			}
			readUntil(t, conn, into, "+PONG\r\n")
		}
	}
	if held := (heap() - before) / connections; held > most {
		t.Errorf("a quiet connection keeps %d bytes, want %d at most", held, most)
	}
	if n := d.door.Wide(); n != 0 {
		t.Errorf("%d sessions may hold much that are quiet", n)
	}
	burst() // all go on as before
}

// readUntil takes answers until the last of them.
func readUntil(t *testing.T, conn net.Conn, into []byte, end string) {
	t.Helper()
	filled := 0
	for {
		n, err := conn.Read(into[filled:])
		if err != nil {
			t.Fatalf("the answers end before the last: %v", err)
		}
		if filled += n; bytes.HasSuffix(into[:filled], []byte(end)) {
			return
		}
		filled = copy(into, into[max(0, filled-len(end)):filled])
	}
}

// TestSlowReaders holds no more than is stated for clients that take no answers: for most a command and little else, and much
// for few.
func TestSlowReaders(t *testing.T) {
	const connections, wide, much, most = 64, 16, 512 << 10, 96 << 10
	for _, burst := range bursts {
		t.Run(burst.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := openWires(t, nil, respapi.Config{})
				d.door.BoundWide(wide)
				text, into := burst.text+last, make([]byte, 64<<10)
				before := heap()
				for range connections {
					conn := d.connect()
					go func() {
						_, _ = io.WriteString(conn, text) // whose answers are taken
						_, _ = io.WriteString(conn, text)
					}()
					readUntil(t, conn, into, lastAnswer)
				}
				synctest.Wait()
				if held, bound := heap()-before, wide*much+(connections-wide)*most; held > bound || d.door.Wide() > wide {
					t.Errorf("%d connections hold %d bytes, want %d at most; %d of them may hold much", connections, held, bound, d.door.Wide())
				}
			})
		})
	}
}

// TestAnswersInParts sends what a batch is answered in parts, none of which is much longer than the longest answer.
func TestAnswersInParts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := openWires(t, nil, respapi.Config{})
		conn := d.connect()
		for _, burst := range bursts {
			go func() { _, _ = io.WriteString(conn, burst.text+last) }()
			readUntil(t, conn, make([]byte, 64<<10), lastAnswer)
			if longest := d.wires.longest.Swap(0); longest > 40<<10 {
				t.Errorf("%s: an answer was sent as %d bytes", burst.name, longest)
			}
		}
		c := newClient(t, conn)
		texts := []string{"", "x", strings.Repeat("0123456789abcdef", 256), strings.Repeat("abc", 20_000)}
		for _, text := range texts {
			go func() {
				_, _ = io.WriteString(conn, command("PING", text)+command("ECHO", text)+command("PING", "behind"))
			}()
			if got := []any{c.read(), c.read(), c.read()}; fmt.Sprint(got) != fmt.Sprint([]any{text, text, "behind"}) {
				t.Errorf("a text of %d bytes comes back as %.80q", len(text), fmt.Sprint(got))
			}
		}
	})
}
