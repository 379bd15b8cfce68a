package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// scripted is asked by a benchmark and takes its time.
type scripted struct {
	calls atomic.Int64
	// ask answers a call; the first is 0.
	ask func(call int64, keys []string, t *tally)
}

func (s *scripted) name() string { return "a script" }

func (s *scripted) caller() asks {
	return func(keys []string, t *tally) { s.ask(s.calls.Add(1)-1, keys, t) }
}

// takes answers every check, each call after a time; the call of that number after another.
func takes(usual time.Duration, call int64, then time.Duration) *scripted {
	return &scripted{ask: func(n int64, keys []string, t *tally) {
		if n == call {
			time.Sleep(then)
		} else {
			time.Sleep(usual)
		}
		for i := range keys {
			t.decided(i%4 != 0)
		}
	}}
}

func (b *benchmark) against(ctx context.Context, s *scripted) summary {
	r := newRun(b, s)
	r.do(ctx, nil)
	return b.summary(r, s.name(), nil)
}

// Callers that ask as soon as they are answered ask as often as the answers let them, and a call that has begun before
// the end counts.
func TestBenchAsFastAsAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &benchmark{policy: "api", duration: time.Second, concurrency: 3, keys: 10, batch: 4}
		s := b.against(t.Context(), takes(3*time.Millisecond, -1, 0))
		if s.Calls != 3*334 || s.Decisions != 4*s.Calls || s.Refused != s.Calls || s.Failed != 0 || s.Missed != 0 {
			t.Errorf("3 callers of calls that take 3ms: %+v, want 334 calls each", s)
		}
		if s.Seconds != 1.002 || s.Latency.Min != 3000 || s.Latency.Max != 3000 {
			t.Errorf("it took %vs and calls %v to %v µs, want 1.002s and 3000", s.Seconds, s.Latency.Min, s.Latency.Max)
		}
	})
}

// Where checks are due at instants, a stall counts for all whom it would have held up, not for one call only.
func TestBenchCountsFromWhenDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &benchmark{policy: "api", duration: 10 * time.Second, concurrency: 1, keys: 10, batch: 1, rate: 100}
		s := b.against(t.Context(), takes(time.Millisecond, 100, time.Second))
		if s.Calls != 1000 || s.Missed != 0 {
			t.Errorf("100 a second for 10s made %d calls and missed %d, want 1000 and none", s.Calls, s.Missed)
		}
		// A stall of 1s holds up 100 calls, and while they are made up for, 9ms each, 11 more.
		slow := int64(0)
		for _, row := range s.latencies.rows() {
			if row.upTo > 10*time.Millisecond {
				slow += row.count
			}
		}
		if slow < 105 || slow > 115 || s.Latency.P50 > 1020 || s.Latency.Max != 1e6 {
			t.Errorf("%d calls took longer than 10ms, the median %v µs, the longest %v; want about 110, 1000 and 1e6", slow, s.Latency.P50, s.Latency.Max)
		}
	})
}

// What was due and could not be asked for is told, because it is in no latency.
func TestBenchTellsWhatItMissed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &benchmark{policy: "api", duration: time.Second, concurrency: 2, keys: 10, batch: 5, rate: 1000}
		s := b.against(t.Context(), takes(110*time.Millisecond, -1, 0))
		if s.Calls != 20 || s.Missed != 1000-100 {
			t.Errorf("of 1000 checks that were due, 2 callers of calls of 5 that take 110ms made %d calls and missed %d checks, want 20 and 900", s.Calls, s.Missed)
		}
		var out bytes.Buffer
		if err := s.print(&out); err != nil || !strings.Contains(out.String(), "missed   900") || !strings.Contains(out.String(), "ask less often") {
			t.Errorf("the summary does not tell of them (%v):\n%s", err, out.String())
		}
	})
}

// Whoever ends it early gets the summary of what was done.
func TestBenchEndsEarly(t *testing.T) {
	t.Parallel()
	for _, rate := range []int64{0, 100} {
		synctest.Test(t, func(t *testing.T) {
			b := &benchmark{policy: "api", duration: time.Hour, concurrency: 1, keys: 1, batch: 1, rate: rate}
			ctx, cancel := context.WithTimeout(t.Context(), 995*time.Millisecond)
			defer cancel()
			s := b.against(ctx, takes(10*time.Millisecond, -1, 0))
			if s.Seconds > 1.01 || s.Calls != 100 || s.failure() != nil || s.Missed != 0 {
				t.Errorf("rate %d: ended after 995ms, it took %vs and made %d calls (%v) and missed %d, want 100", rate, s.Seconds, s.Calls, s.failure(), s.Missed)
			}
		})
	}
}

// All keys are asked for, each about as often as the others, and no other.
func TestBenchKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := make(map[string]int)
		s := &scripted{ask: func(_ int64, keys []string, t *tally) {
			for _, key := range keys {
				asked[key]++
				t.decided(true)
			}
			time.Sleep(time.Millisecond)
		}}
		b := &benchmark{policy: "api", duration: time.Second, concurrency: 1, keys: 20, batch: 10}
		b.against(t.Context(), s)
		for n := range 20 {
			if got := asked[fmt.Sprintf("bench:%d", n)]; got < 350 || got > 650 {
				t.Errorf("of 10000 checks %d are of bench:%d, want about 500", got, n)
			}
		}
		if len(asked) != 20 {
			t.Errorf("%d keys were asked for, want 20", len(asked))
		}
	})
}

func TestBenchFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{ask: func(n int64, keys []string, t *tally) {
			time.Sleep(10 * time.Millisecond)
			if n%4 == 0 {
				t.fail(1, "no answer in time", "patience\x1b[2J is over")
			} else {
				t.fail(1, "not sent", "queue full")
			}
		}}
		b := &benchmark{policy: "api", duration: 395 * time.Millisecond, concurrency: 1, keys: 1, batch: 1}
		got := b.against(t.Context(), s)
		if diff := cmp.Diff(map[string]int64{"no answer in time": 10, "not sent": 30}, got.Errors); diff != "" || got.Failed != 40 {
			t.Errorf("%d checks failed, by kind (-want +got):\n%s", got.Failed, diff)
		}
		if err := got.failure(); err == nil || err.Error() != "all 40 checks failed, most of them by not sent: queue full" {
			t.Errorf("the error is %v", err)
		}
		var out bytes.Buffer
		if err := got.print(&out); err != nil || !strings.Contains(out.String(), "10 failed, no answer in time: patience\ufffd[2J is over\n") {
			t.Errorf("the summary does not tell of them (%v):\n%s", err, out.String())
		}
	})
}

// On a terminal one line is written over once a second, and gone at the end.
func TestBenchProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var terminal bytes.Buffer
		b := &benchmark{policy: "api", duration: 2500 * time.Millisecond, concurrency: 1, keys: 1, batch: 4}
		newRun(b, takes(3*time.Millisecond, -1, 0)).do(t.Context(), &terminal)
		got := strings.Split(terminal.String(), "\r")
		if len(got) != 4 || !strings.HasPrefix(got[1], "1s of 2.5s: ") || !strings.HasPrefix(got[2], "2s of 2.5s: 1332 decisions/s, 25.0% refused, 0 errors") || got[3] != "\x1b[K" {
			t.Errorf("the terminal is told %q", got)
		}
	})
}

func TestBenchFaults(t *testing.T) {
	t.Parallel()
	right := benchmark{policy: "api", cost: 1, duration: time.Second, concurrency: 1, keys: 1, batch: 1}
	if err := right.validate(false); err != nil {
		t.Errorf("validate() = %v, want none", err)
	}
	for want, change := range map[string]func(*benchmark){
		"name a policy, as in --policy api, or give a limit, as in --limit 100/s": func(b *benchmark) { b.policy = "" },
		"--namespace goes with --limit":                                           func(b *benchmark) { b.namespace = "n" },
		"--batch: a server takes limits of your own one check a call":             func(b *benchmark) { b.policy, b.limits, b.batch = "", []string{"1/s"}, 2 },
		"--duration: it is 0s; it must be more than 0, as in 10s":                 func(b *benchmark) { b.duration = 0 },
		"--duration: it is -1s; it must be more than 0":                           func(b *benchmark) { b.duration = -time.Second },
		"--rate: it is -1; it must be 1 to 100000000 checks a second":             func(b *benchmark) { b.rate = -1 },
		"--rate: it is 100000001; it must be":                                     func(b *benchmark) { b.rate = mostRate + 1 },
		"--cost: it is -1; it must be a whole number from 0 to 4294967295":        func(b *benchmark) { b.cost = -1 },
		"--concurrency: it is 0; it must be 1 to 5000":                            func(b *benchmark) { b.concurrency = 0 },
		"--keys: it is 100000001; it must be 1 to 100000000":                      func(b *benchmark) { b.keys = mostKeys + 1 },
		"--batch: it is 1001; it must be 1 to 1000":                               func(b *benchmark) { b.batch = mostBatch + 1 },
	} {
		b := right
		change(&b)
		if err := b.validate(false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("validate() = %v, want %q", err, want)
		}
	}
}

// Whatever a server answers, each check is counted once: decided, or failed for a reason.
func TestBenchReadsAnswers(t *testing.T) {
	t.Parallel()
	const problem = `{"type":"https://example.com/problems.md#%s","title":"t","status":404,"detail":"said so"}`
	for _, test := range []struct {
		status int
		body   string
		want   string // of two checks: allowed, refused, failures
	}{
		{200, `{"decisions":[{"allowed":true,"source":"store"},{"allowed":false,"source":"lease"}]}`, "1 1 map[]"},
		{200, `{"decisions":[{"allowed":true,"shadow_denied":true,"source":"store"},{"allowed":true,"key":"\ufffd"}]}`, "1 1 map[]"},
		{200, `{"decisions":[{"allowed":true,"source":"fallback"},{"allowed":true,"source":"store"}]}`, "1 0 map[fallback:1]"},
		{200, `{"decisions":[{"allowed":true,"source":"error-policy"},{"error":` + fmt.Sprintf(problem, "unknown-policy") + `}]}`, "0 0 map[error-policy:1 unknown-policy:1]"},
		{200, `{"decisions":[{"allowed":true}]}`, "0 0 map[strange answer:2]"},
		{200, `{"decisions":[{},{"allowed":true}]}`, "1 0 map[strange answer:1]"},
		{200, `<html>`, "0 0 map[strange answer:2]"},
		{503, fmt.Sprintf(problem, "store-failed"), "0 0 map[store-failed:2]"},
		{502, `<html>`, "0 0 map[status 502:2]"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if want := `{"checks":[{"cost":1,"policy":"api","key":"bench:1"},{"cost":1,"policy":"api","key":"bench:2"}]}`; err != nil || string(body) != want {
				t.Errorf("%s is sent (%v), want %s", body, err, want)
			}
			w.WriteHeader(test.status)
			_, _ = io.WriteString(w, test.body)
		}))
		a := &askedServer{client: server.Client(), url: server.URL + "/v1/checks", before: `{"cost":1,"policy":"api","key":"`, batch: true}
		got := &tally{failures: make(map[string]*failures)}
		a.caller()([]string{"bench:1", "bench:2"}, got)
		server.Close()
		kinds := make(map[string]int64)
		for why, f := range got.failures {
			kinds[why] = f.count
		}
		if said := fmt.Sprint(got.allowed.Load(), got.refused.Load(), kinds); said != test.want {
			t.Errorf("%d %s is counted as %s, want %s", test.status, test.body, said, test.want)
		}
	}
	a := &askedServer{client: http.DefaultClient, url: "http://127.0.0.1:1/v1/checks", batch: true}
	got := &tally{failures: make(map[string]*failures)}
	if a.caller()([]string{"bench:1"}, got); got.failures["no connection"] == nil || got.failed.Load() != 1 {
		t.Errorf("where nobody listens, the failures are %v, want no connection", got.failures)
	}
}
