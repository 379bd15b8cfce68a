package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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

// asked is one check at a rate: when it was due, and how long after that its answer came.
type asked struct {
	due    time.Time
	took   time.Duration
	policy string
	says   decision
	err    error
}

// askers ask servers at a rate, whatever becomes of the answers: so that a stall counts for all whom it holds up.
type askers struct {
	stop  chan struct{}
	group sync.WaitGroup
	mu    sync.Mutex
	calls []asked
	late  atomic.Int64 // of those that the machine itself could not send in time, by how much at most
}

// startAskers asks the servers in turn for keys of the policies in turn.
func startAskers(t *testing.T, f fleet, rate int, policies []string) *askers {
	a := &askers{stop: make(chan struct{})}
	const callers = 512 // a caller has one call under way: a frozen store holds up a few hundred at a time
	due := make(chan asked, 1<<16)
	for range callers {
		a.group.Go(func() {
			c := newClient()
			defer c.close()
			var mine []asked
			for q := range due {
				a.note(time.Since(q.due))
				n := len(mine)
				status, body, err := c.send(http.MethodPost, f[n%len(f)].addr, "/v1/check", question{Policy: q.policy, Key: someKey(), Cost: 1}.String())
				q.took = time.Since(q.due)
				if q.err = err; err == nil {
					q.says, q.err = readDecision(status, body)
				}
				mine = append(mine, q)
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

// note keeps the longest time by which a question was sent late.
func (a *askers) note(late time.Duration) {
	for most := a.late.Load(); int64(late) > most && !a.late.CompareAndSwap(most, int64(late)); most = a.late.Load() {
	}
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
	a := startAskers(t, f, rate, []string{"open", "closed", "shared"})
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

	var longest, back time.Duration
	late := 0                // of those who came two seconds after Redis went on, how many it did not decide
	var open []time.Duration // of those who came when it was known that Redis does not answer
	decided := map[string]int{}
	wrong := 0
	for _, q := range a.calls {
		byOnError := q.says.Source == "error-policy" || q.says.Source == "fallback"
		want := map[string]string{"open": "error-policy true", "closed": "error-policy false", "shared": "fallback true"}[q.policy]
		switch got := fmt.Sprint(q.says.Source, " ", q.says.Allowed); {
		case q.err != nil, byOnError && got != want, !byOnError && got != "store true",
			!byOnError && q.due.After(paused) && q.due.Add(q.took).Before(thawed):
			if wrong++; wrong < 10 {
				t.Errorf("a check by %s that was due %s after Redis froze is answered %+v, %v", q.policy, q.due.Sub(frozen), q.says, q.err)
			}
		}
		if q.due.After(frozen) {
			longest = max(longest, q.took)
		}
		if q.due.After(paused.Add(5*timeout)) && q.due.Before(thawed) {
			open = append(open, q.took)
		}
		if byOnError && q.due.After(thawed) {
			back = max(back, q.due.Sub(thawed))
			if q.due.Sub(thawed) > 2*time.Second {
				late++
			}
		}
		decided[q.policy+" "+q.says.Source]++
	}
	if len(open) == 0 {
		t.Fatal("nobody has asked while Redis was frozen")
	}
	slices.Sort(open)
	p99 := open[len(open)*99/100]
	t.Logf("%d checks at %d/s, Redis frozen for %s: the longest wait is %s, p99 once it is known %s, all normal %s after SIGCONT; "+
		"RSS %d MiB before, %d after a second of it, %d at its end; the machine sent a question up to %s late; %v",
		len(a.calls), rate, thawed.Sub(paused).Round(time.Second), longest, p99, back, before>>20, warm>>20, after>>20, time.Duration(a.late.Load()), decided)
	most, mostP99 := timeout+50*time.Millisecond, time.Millisecond
	if !strict { // a machine that does other things
		most, mostP99 = most+time.Second, 50*time.Millisecond
	}
	if longest > most {
		t.Errorf("a caller waited %s, want at most %s", longest, most)
	}
	if p99 > mostP99 {
		t.Errorf("once it was known that Redis does not answer one in a hundred waited %s, want at most %s", p99, mostP99)
	}
	if late > 0 && (strict || late > rate/10) { // of a second, on a machine that does other things
		t.Errorf("%s after Redis went on a check was still not decided by it, and %d after two seconds", back, late)
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
