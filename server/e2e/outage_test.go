package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-project/sluice/internal/redistest"
)

// outageVariables make TestFrozenUnderLoad as long and as strict as it is measured: a rate, seconds, and whether the
// figures that the machine has a part in are held to.
const (
	rateVariable    = "SLUICE_OUTAGE_RATE"
	secondsVariable = "SLUICE_OUTAGE_SECONDS"
	strictVariable  = "SLUICE_OUTAGE_STRICT"
)

// numberOf returns the number in a variable, or another where it is not set.
func numberOf(t *testing.T, variable string, usual int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, want a number of 1 or more", variable, text)
	}
	return n
}

// asked is one check at a rate: when it was due, when it was sent, and how long after that its answer came.
type asked struct {
	due, sent time.Time
	took      time.Duration
	policy    string
	source    string
	allowed   bool
	err       error
}

// askers ask a server at a rate, whatever becomes of the answers: so that a stall counts for all whom it holds up.
type askers struct {
	stop  chan struct{}
	group sync.WaitGroup
	mu    sync.Mutex
	calls []asked
}

// startAskers asks a server for keys of the policies in turn.
func startAskers(t *testing.T, s *server, rate int, policies []string) *askers {
	a := &askers{stop: make(chan struct{})}
	const callers = 512 // a caller has one call under way: a frozen store holds up a few hundred at a time
	due := make(chan asked, 1<<16)
	for range callers {
		a.group.Go(func() {
			var mine []asked
			q := quickCaller{addr: s.addr}
			defer q.close()
			for one := range due {
				one.sent = time.Now()
				one.source, one.allowed, one.err = q.check(one.policy)
				one.took = time.Since(one.sent)
				mine = append(mine, one)
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			a.calls = append(a.calls, mine...)
		})
	}
	a.group.Go(func() {
		defer close(due)
		begun := time.Now()
		for n := 0; ; n++ {
			at := begun.Add(time.Duration(n) * time.Second / time.Duration(rate))
			if wait := time.Until(at); wait > 0 {
				select {
				case <-a.stop:
					return
				case <-time.After(wait):
				}
			}
			select {
			case <-a.stop:
				return
			case due <- asked{due: at, policy: policies[n%len(policies)]}:
			}
		}
	})
	t.Cleanup(a.end)
	return a
}

// quickCaller asks on one connection, one check at a time, with as little work as will do: at thousands of checks a second
// whoever asks must not be what is measured.
type quickCaller struct {
	addr string
	conn net.Conn
	in   *bufio.Reader
	out  []byte
}

func (q *quickCaller) close() {
	if q.conn != nil {
		_ = q.conn.Close()
	}
}

func (q *quickCaller) check(policy string) (source string, allowed bool, err error) {
	if q.conn == nil {
		if q.conn, err = net.DialTimeout("tcp", q.addr, patience); err != nil {
			return "", false, err
		}
		q.in = bufio.NewReader(q.conn)
	}
	body := fmt.Sprintf(`{"policy":%q,"key":%q}`, policy, someKey())
	q.out = fmt.Appendf(q.out[:0], "POST /v1/check HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", q.addr, len(body), body)
	if _, err := q.conn.Write(q.out); err != nil {
		return "", false, err
	}
	length := 0
	for first := true; ; first = false {
		line, err := q.in.ReadString('\n')
		if err != nil {
			return "", false, err
		}
		if first && !strings.HasPrefix(line, "HTTP/1.1 200 ") {
			return "", false, fmt.Errorf("the answer begins %q", line)
		}
		if line == "\r\n" {
			break
		}
		if text, found := strings.CutPrefix(line, "Content-Length: "); found {
			length, _ = strconv.Atoi(strings.TrimSpace(text))
		}
	}
	answer := make([]byte, length)
	if _, err := io.ReadFull(q.in, answer); err != nil {
		return "", false, err
	}
	_, after, found := strings.Cut(string(answer), `"source":"`)
	source, _, closed := strings.Cut(after, `"`)
	if !found || !closed {
		return "", false, fmt.Errorf("the answer is %q", answer)
	}
	return source, bytes.HasPrefix(answer, []byte(`{"allowed":true,`)), nil
}

func (a *askers) end() {
	select {
	case <-a.stop:
	default:
		close(a.stop)
	}
	a.group.Wait()
}

// TestFrozenUnderLoad freezes a Redis under checks at a rate. Nobody waits for much longer than the deadline; once it is
// known that Redis does not answer nobody waits; each is answered exactly as on_error says; and all is as before soon after
// Redis goes on.
func TestFrozenUnderLoad(t *testing.T) {
	rate, seconds := numberOf(t, rateVariable, 500), numberOf(t, secondsVariable, 3)
	strict := os.Getenv(strictVariable) != ""
	const timeout = 100 * time.Millisecond
	redis := redistest.Start(t, redistest.Options{})
	f := startFleet(t, 1, config(redis.URL(), timeout)+`
  open: {limits: [1000000/h], on_error: allow}
  closed: {limits: [1000000/h], on_error: deny}
  shared: {limits: [1000000/h], on_error: local}
`)
	a := startAskers(t, f[0], rate, []string{"open", "closed", "shared"})
	time.Sleep(time.Second) // the processes that are tested go by real time
	before := f[0].memory(t)
	frozen := time.Now()
	redis.Pause(t)
	paused := time.Now()
	time.Sleep(time.Second)
	warm := f[0].memory(t)
	time.Sleep(time.Duration(seconds)*time.Second - time.Since(paused))
	after := f[0].memory(t)
	redis.Continue(t)
	thawed := time.Now()
	time.Sleep(3 * time.Second)
	a.end()

	var longest, back, late time.Duration
	missing := 0             // of those who came two seconds after Redis went on, how many it did not decide
	var open []time.Duration // of those who came when it was known that Redis does not answer
	decided := map[string]int{}
	wrong := 0
	for _, q := range a.calls {
		byOnError := q.source == "error-policy" || q.source == "fallback"
		late = max(late, q.sent.Sub(q.due))
		want := map[string]string{"open": "error-policy true", "closed": "error-policy false", "shared": "fallback true"}[q.policy]
		switch got := fmt.Sprint(q.source, " ", q.allowed); {
		case q.err != nil, byOnError && got != want, !byOnError && got != "store true",
			!byOnError && q.sent.After(paused) && q.sent.Add(q.took).Before(thawed):
			if wrong++; wrong < 10 {
				t.Errorf("a check by %s that was sent %s after Redis froze is answered by %s, allowed %v, %v", q.policy, q.sent.Sub(frozen), q.source, q.allowed, q.err)
			}
		}
		if q.sent.After(frozen) {
			longest = max(longest, q.took)
		}
		if q.sent.After(paused.Add(5*timeout)) && q.sent.Before(thawed) {
			open = append(open, q.took)
		}
		if byOnError && q.sent.After(thawed) {
			back = max(back, q.sent.Sub(thawed))
			if q.sent.Sub(thawed) > 2*time.Second {
				missing++
			}
		}
		decided[q.policy+" "+q.source]++
	}
	if len(open) == 0 {
		t.Fatal("nobody has asked while Redis was frozen")
	}
	slices.Sort(open)
	p50, p99 := open[len(open)/2], open[len(open)*99/100]
	t.Logf("%d checks at %d/s, Redis frozen for %s: the longest wait is %s, p99 once it is known %s, all normal %s after SIGCONT; "+
		"RSS %d MiB before, %d after a second of it, %d at its end; a question was sent up to %s after it was due; %v",
		len(a.calls), rate, thawed.Sub(paused).Round(time.Second), longest, p99, back, before>>20, warm>>20, after>>20, late, decided)
	most := timeout + 50*time.Millisecond
	if !strict { // a machine that does other things
		most += time.Second
	}
	if longest > most {
		t.Errorf("a caller waited %s, want at most %s", longest, most)
	}
	if p50 > timeout/4 || strict && p99 > time.Millisecond {
		t.Errorf("once it was known that Redis does not answer, every second caller waited %s and one in a hundred %s, want none", p50, p99)
	}
	if missing > 0 && (strict || missing > rate/10) { // of a second, on a machine that does other things
		t.Errorf("%s after Redis went on a check was still not decided by it, and %d after two seconds", back, missing)
	}
	if strict && after > before+before/10 && after > warm+warm/10 {
		t.Errorf("the server has %d MiB after %d s, %d before and %d after the first", after>>20, seconds, before>>20, warm>>20)
	}
}

// TestOutage has four servers without Redis decide by their shares under even traffic: in whole spans after the changeover
// they admit the limit together, within 5 % below, and in the one that holds it no more than twice the limit.
func TestOutage(t *testing.T) {
	t.Parallel() // it waits most of the time
	const servers, askers, count, span, tick = 4, 4, 200, 2 * time.Second, 4 * time.Millisecond
	redis := redistest.Start(t, redistest.Options{})
	f := startFleet(t, servers, config(redis.URL(), 100*time.Millisecond)+fmt.Sprintf("  shared: {limits: [%d/2s], on_error: local}\n", count))
	probe := newClient()
	defer probe.close()
	for _, s := range f {
		s.waitMetric(t, probe, fmt.Sprintf("sluice_live_servers %d\n", servers))
	}

	var mu sync.Mutex
	var admitted []time.Time // the moments at which answers came
	stop := make(chan struct{})
	var group sync.WaitGroup
	for _, s := range f {
		for range askers {
			group.Go(func() {
				c := newClient()
				defer c.close()
				ticker := time.NewTicker(askers * tick)
				defer ticker.Stop()
				for {
					select {
					case <-stop:
						return
					case <-ticker.C:
					}
					status, body, err := c.send(http.MethodPost, s.addr, "/v1/check", question{Policy: "shared", Key: "k", Cost: 1}.String())
					d, err2 := readDecision(status, body)
					if err != nil || err2 != nil {
						t.Errorf("check: %v, %v", err, err2)
						return
					}
					if d.Allowed {
						mu.Lock()
						admitted = append(admitted, time.Now())
						mu.Unlock()
					}
				}
			})
		}
	}
	time.Sleep(2 * span)
	begun := time.Now()
	redis.Pause(t)
	paused := time.Now()
	time.Sleep(5 * span)
	redis.Continue(t)
	back := time.Now()
	time.Sleep(2 * span)
	close(stop)
	group.Wait()

	slices.SortFunc(admitted, time.Time.Compare)
	within := func(from time.Time) (n int) {
		for _, at := range admitted {
			if !at.Before(from) && at.Before(from.Add(span)) {
				n++
			}
		}
		return n
	}
	// An answer comes a while after its decision: what a late answer adds to a span is not the limit's. On a machine that
	// does other things every asker may have one that is late, and ask too late for what it could have had.
	noise, least := count*3/200, count*95/100
	if os.Getenv(strictVariable) == "" {
		noise, least = servers*askers, count*80/100
	}
	for from := paused.Add(span); from.Add(span).Before(back); from = from.Add(span) {
		n := within(from)
		t.Logf("%s after the changeover %d are admitted in %s", from.Sub(paused), n, span)
		if n < least-noise || n > count+noise {
			t.Errorf("%s after the changeover %d are admitted in %s, want 95 %% to 100 %% of %d", from.Sub(paused), n, span, count)
		}
	}
	most := 0
	for _, at := range admitted {
		if at.After(begun.Add(-span)) {
			most = max(most, within(at))
		}
	}
	t.Logf("in the span that has most %d are admitted", most)
	if most > 2*count+noise {
		t.Errorf("%d are admitted in a span, want at most twice %d", most, count)
	}
}

// readDecision reads the answer to a check.
func readDecision(status int, body []byte) (d decision, err error) {
	if status != http.StatusOK {
		return d, fmt.Errorf("status %d: %s", status, body)
	}
	err = json.Unmarshal(body, &d)
	return d, err
}

// metrics returns what a server measures.
func (s *server) metrics(t *testing.T, c *client) string {
	t.Helper()
	status, body, err := c.send(http.MethodGet, s.addr, "/metrics", "")
	if err != nil || status != http.StatusOK {
		t.Fatalf("GET /metrics: %d, %v", status, err)
	}
	return string(body)
}

// waitMetric waits until the metrics have a text.
func (s *server) waitMetric(t *testing.T, c *client, text string) {
	t.Helper()
	for late := time.Now().Add(patience); !strings.Contains(s.metrics(t, c), text); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("the metrics of a server do not have %q after %s", text, patience)
		}
	}
}

// memory returns how many bytes a server has in memory.
func (s *server) memory(t *testing.T) int64 {
	t.Helper()
	c := newClient()
	defer c.close()
	_, after, found := strings.Cut(s.metrics(t, c), "\nprocess_resident_memory_bytes ")
	text, _, _ := strings.Cut(after, "\n")
	n, err := strconv.ParseFloat(text, 64)
	if !found || err != nil {
		t.Fatalf("the metrics say of the memory %q, %v", text, err)
	}
	return int64(n)
}
