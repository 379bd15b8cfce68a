package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// asked is one check at a rate: when it was due, when it was sent, and how long after that its answer came.
type asked struct {
	due, sent time.Time
	took      time.Duration
	policy    string
	source    string
	allowed   bool
	err       error
}

// askers ask a server at a rate, whatever becomes of the answers: so that a stall counts for all whom it holds up. One
// thread sends each check when it is due, on the connection that has been free for longest, and whoever reads there takes the
// time as soon as the answer has come. At thousands of checks a second on a machine that the server shares, whoever asks must
// not be what is measured: nothing is allocated for a check, and nobody is woken but by its answer.
type askers struct {
	addr   string
	stop   chan struct{}
	ending atomic.Bool
	sender sync.WaitGroup
	reader sync.WaitGroup
	free   chan *asker
	all    []*asker
	calls  []asked // when they have ended
}

// asker is one connection. It has one check under way at a time.
type asker struct {
	conn  net.Conn
	busy  atomic.Bool
	asked asked // the one under way
	calls []asked
}

// startAskers asks a server for keys of the policies in turn. That it will be about so many checks is for their memory.
func startAskers(t *testing.T, s *server, rate, expected int, policies []string) *askers {
	t.Helper()
	const connections = 512 // a frozen store holds up a few hundred checks at a time
	a := &askers{addr: s.addr, stop: make(chan struct{}), free: make(chan *asker, connections)}
	t.Cleanup(a.end)
	for range connections {
		conn, err := net.DialTimeout("tcp", s.addr, patience)
		if err != nil {
			t.Fatal(err)
		}
		k := &asker{conn: conn, calls: make([]asked, 0, 2*expected/connections)}
		a.all = append(a.all, k)
		a.free <- k
		a.reader.Go(func() { a.read(k) })
	}
	a.sender.Go(func() { a.send(rate, policies) })
	return a
}

// send sends checks until it is stopped.
func (a *askers) send(rate int, policies []string) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var body, request []byte
	begun := time.Now()
	for n := 0; ; n++ {
		due := begun.Add(time.Duration(n) * time.Second / time.Duration(rate))
		nap(time.Until(due))
		var k *asker
		select {
		case <-a.stop:
			return
		case k = <-a.free:
		}
		policy := policies[n%len(policies)]
		body = append(append(body[:0], `{"policy":"`...), policy...)
		body = strconv.AppendInt(append(body, `","key":"key-`...), rand.Int64N(100), 10)
		body = append(body, `"}`...)
		request = append(append(request[:0], "POST /v1/check HTTP/1.1\r\nHost: "...), a.addr...)
		request = append(request, "\r\nContent-Type: application/json\r\nContent-Length: "...)
		request = append(strconv.AppendInt(request, int64(len(body)), 10), "\r\n\r\n"...)
		request = append(request, body...)
		k.asked = asked{due: due, policy: policy, sent: time.Now()}
		k.busy.Store(true)
		_, _ = k.conn.Write(request) // where it fails, so does the read
	}
}

// read reads the answers on a connection until it ends.
func (a *askers) read(k *asker) {
	defer k.conn.Close()
	in, filled := make([]byte, answerRoom), 0
	for !a.ending.Load() || k.busy.Load() {
		n, err := k.conn.Read(in[filled:])
		now := time.Now()
		if !k.busy.Load() && err != nil {
			if !a.ending.Load() { // nobody would see what is sent there, and no answer
				k.calls = append(k.calls, asked{due: now, sent: now, err: fmt.Errorf("a connection ended between two checks: %w", err)})
			}
			return
		}
		filled += n
		if err == nil {
			var whole bool
			if whole, err = k.asked.answer(in[:filled]); !whole && err == nil {
				continue
			}
		}
		k.asked.took, k.asked.err = now.Sub(k.asked.sent), err
		k.calls = append(k.calls, k.asked)
		k.busy.Store(false)
		if err != nil {
			return
		}
		filled = 0
		a.free <- k
	}
}

// The sources that an answer can have.
var sources = []string{"store", "error-policy", "fallback"}

// answerRoom is how long an answer can be.
const answerRoom = 4 << 10

// tooLong returns an error where there is no room for the rest of an answer.
func tooLong(in []byte) error {
	if len(in) < answerRoom {
		return nil
	}
	return errors.New("the answer is too long")
}

// answer takes in the answer to a check, and reports whether it is whole.
func (q *asked) answer(in []byte) (whole bool, err error) {
	head, body, found := bytes.Cut(in, []byte("\r\n\r\n"))
	if !found {
		return false, tooLong(in)
	}
	_, after, found := bytes.Cut(head, []byte("\r\nContent-Length: "))
	length := 0
	for _, c := range after {
		if c < '0' || c > '9' {
			break
		}
		length = 10*length + int(c-'0')
	}
	switch {
	case !found || !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")):
		return false, fmt.Errorf("the answer begins %q", head)
	case len(body) < length:
		return false, tooLong(in)
	case len(body) > length:
		return false, fmt.Errorf("behind the answer comes %q", body[length:])
	}
	_, after, _ = bytes.Cut(body, []byte(`"source":"`))
	source, _, closed := bytes.Cut(after, []byte(`"`))
	for _, s := range sources {
		if string(source) == s {
			q.source = s
		}
	}
	if !closed || q.source == "" {
		return false, fmt.Errorf("the answer is %q", body)
	}
	q.allowed = bytes.HasPrefix(body, []byte(`{"allowed":true,`))
	return true, nil
}

// end stops asking, and waits for the answers to what was asked.
func (a *askers) end() {
	if a.ending.Swap(true) {
		return
	}
	close(a.stop)
	a.sender.Wait()
	for _, k := range a.all {
		_ = k.conn.SetReadDeadline(time.Now().Add(patience))
		if !k.busy.Load() {
			_ = k.conn.Close()
		}
	}
	a.reader.Wait()
	for _, k := range a.all {
		a.calls = append(a.calls, k.calls...)
	}
}

// TestAskersAreTold: a connection that the server ends between two checks counts as a check that failed.
func TestAskersAreTold(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	a := startAskers(t, &server{addr: l.Addr().String()}, 100, 1000, []string{"p"})
	a.reader.Wait()
	a.end()
	failed := 0
	for _, q := range a.calls {
		if q.err != nil {
			failed++
		}
	}
	if failed != len(a.all) || len(a.calls) != failed {
		t.Errorf("%d of %d checks failed on %d connections, want one on each and no other", failed, len(a.calls), len(a.all))
	}
}

// spread is what waits come to.
type spread struct{ p50, p99, p999 time.Duration }

// spreadOf returns what waits come to, and sorts them.
func spreadOf(waits []time.Duration) spread {
	slices.Sort(waits)
	at := func(thousandths int) time.Duration {
		if len(waits) == 0 {
			return 0
		}
		return waits[(len(waits)-1)*thousandths/1000]
	}
	return spread{at(500), at(990), at(999)}
}

func (s spread) String() string {
	short := func(d time.Duration) time.Duration { return d.Round(time.Microsecond) }
	return strings.Join([]string{short(s.p50).String(), short(s.p99).String(), short(s.p999).String()}, ", ")
}
