package httpapi_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/server/httpapi"
	"github.com/sluice-project/sluice/store/memstore"
)

// untaken is a response that nobody takes until the end.
type untaken struct {
	reused
	writing chan<- int // is sent the status when the body is to be sent
	end     <-chan struct{}
}

func (w *untaken) Write(p []byte) (int, error) {
	select {
	case w.writing <- w.status:
		<-w.end
	case <-w.end:
	}
	return len(p), nil
}

// inUse returns how much of the heap is.
func inUse() int64 {
	runtime.GC()
	runtime.GC() // what a pool gave back at the first goes at the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// repeatedChecks is a body of the same check so many times.
func repeatedChecks(check string, n int) string {
	return `{"checks":[` + strings.TrimSuffix(strings.Repeat(check+",", n), ",") + `]}`
}

// TestUntakenAnswers holds no more for clients that take no answers than the budget says, however small their requests are, and
// tells the others to come again.
func TestUntakenAnswers(t *testing.T) { // not beside others: it measures the heap
	const calls, budget = 1500, 64 << 20
	limits := make([]string, 8)
	for i := range limits {
		limits[i] = fmt.Sprintf("%s%d: 1000000/s burst %d", strings.Repeat("n", 28), i, 2000000+i)
	}
	config := "policies: {a: {limits: [100/h]}, b: {limits: {second: 1000000/s burst 2000000, day: 4000000000/day}}, c: {limits: {" +
		strings.Join(limits, ", ") + "}}}\n"
	for _, test := range []struct{ name, body string }{
		{"of small bodies", repeatedChecks(`{"policy":"a","key":"k"}`, 163)},
		{"of two limits", repeatedChecks(`{"policy":"b","key":"k"}`, 163)},
		{"of eight limits", repeatedChecks(`{"policy":"c","key":"k"}`, 163)},
		{"of large bodies", repeatedChecks(`{"policy":"a","key":"k"}`, 1000)},
		{"of policies that are none", repeatedChecks(`{"policy":"x","key":"k"}`, 163)},
		{"of keys that are longer when they are written", repeatedChecks(`{"policy":"a","key_base64":"`+strings.Repeat("A", 5460)+`"}`, 16)},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := open(t, config)
			before := inUse()
			writing, end := make(chan int), make(chan struct{})
			var slow sync.WaitGroup
			answered := map[int]int{}
			for range calls {
				w := &untaken{reused{header: http.Header{}}, writing, end}
				r := httptest.NewRequest("POST", "/v1/checks", strings.NewReader(test.body))
				slow.Go(func() { d.handler.ServeHTTP(w, r) })
				answered[<-writing]++
			}
			taken := d.api.Held()
			held := inUse() - before
			t.Logf("%d bytes are held, %d of the budget, for answers %v", held, taken, answered)
			// A request that waits takes some KiB whatever it is answered, the test's own end of it among that.
			if most := taken + calls*(24<<10); held > most || taken > budget+1<<20 {
				t.Errorf("%d bytes are held for answers that nobody takes, want %d at most; %d are taken of the budget", held, most, taken)
			}
			if answered[200] == 0 || answered[503] == 0 || len(answered) > 2 {
				t.Errorf("the answers are %v, want some 200 and some 503", answered)
			}
			w := d.send("POST", "/v1/checks", test.body)
			if p := d.problem(w); kind(p) != "overloaded" || w.Code != 503 || w.Header().Get("Retry-After") != "1" {
				t.Errorf("many checks when the memory is taken: %d %s", w.Code, w.Body)
			}
			if w := d.send("POST", "/v1/checks", checksBody("a", 16)); w.Code != 200 {
				t.Errorf("few checks when the memory is taken: %d %s", w.Code, w.Body)
			}
			close(end)
			slow.Wait()
			if w := d.send("POST", "/v1/checks", test.body); w.Code != 200 || d.api.Held() != 0 {
				t.Errorf("many checks when all answers were taken: %d %s, and %d bytes are still taken", w.Code, w.Body, d.api.Held())
			}
		})
	}
}

// TestReckonedAnswers takes of the budget, before it charges anything, what an answer comes to.
func TestReckonedAnswers(t *testing.T) { // not beside others, who might leave memory for it
	for _, test := range []struct{ name, body string }{
		{"of one limit", repeatedChecks(`{"policy":"a","key":"k"}`, 163)},
		{"of two limits", repeatedChecks(`{"policy":"b","key":"k"}`, 163)},
		{"of keys that are longer when they are written", repeatedChecks(`{"policy":"a","key_base64":"`+strings.Repeat("A", 5460)+`"}`, 16)},
	} {
		t.Run(test.name, func(t *testing.T) {
			store, err := memstore.New(memstore.Config{})
			if err != nil {
				t.Fatal(err)
			}
			look := &looking{Store: store}
			d := openTo(t, look, "policies: {a: {limits: [100/h]}, b: {limits: {second: 1000000/s burst 2000000, day: 4000000000/day}}}\n")
			look.api = d.api
			inUse()
			writing, end := make(chan int), make(chan struct{})
			w := &untaken{reused{header: http.Header{}}, writing, end}
			r := httptest.NewRequest("POST", "/v1/checks", strings.NewReader(test.body))
			var slow sync.WaitGroup
			slow.Go(func() { d.handler.ServeHTTP(w, r) })
			<-writing
			if reckoned, taken := look.held.Load(), d.api.Held(); reckoned < taken || reckoned > 2*taken {
				t.Errorf("an answer that takes %d bytes is reckoned to take %d", taken, reckoned)
			}
			close(end)
			slow.Wait()
		})
	}
}

// looking is a store that looks how much is taken of the budget when it is asked.
type looking struct {
	sluice.Store
	api  *httpapi.API
	held atomic.Int64
}

func (s *looking) CheckAll(ctx context.Context, reqs []sluice.Request) []sluice.Result {
	s.held.Store(s.api.Held())
	return s.Store.CheckAll(ctx, reqs)
}

// TestUntakenSmallAnswers keeps the memory that a large call has come to from calls for which no memory is taken, who might hold it.
func TestUntakenSmallAnswers(t *testing.T) { // not beside others: it measures the heap
	const calls = 120
	d := open(t, "policies: {a: {limits: [100/h]}}\n")
	large := repeatedChecks(`{"policy":"a","key":"k"}`, 1000)
	for _, test := range []struct{ target, body string }{
		{"/v1/check", `{"policy":"a","key":"k"}`},
		{"/v1/checks", `{"checks":[{"policy":"a","key":"k"}]}`},
		{"/v1/checks", ""}, // which is announced, and does not come
	} {
		t.Run(test.target+" "+test.body, func(t *testing.T) {
			before := inUse()
			writing, arrived, end := make(chan int), make(chan struct{}), make(chan struct{})
			var slow sync.WaitGroup
			for range calls {
				if w := d.send("POST", "/v1/checks", large); w.Code != 200 {
					t.Fatalf("a large call: %d %s", w.Code, w.Body)
				}
				w := &untaken{reused{header: http.Header{}}, writing, end}
				r := httptest.NewRequest("POST", test.target, strings.NewReader(test.body))
				if test.body == "" {
					r.Body, r.ContentLength = io.NopCloser(&waiting{arrived, end}), 5000
				}
				slow.Go(func() { d.handler.ServeHTTP(w, r) })
				select {
				case <-arrived:
				case status := <-writing:
					if status != 200 {
						t.Errorf("a small call is answered %d", status)
					}
				}
			}
			taken := d.api.Held()
			held := inUse() - before
			t.Logf("%d bytes are held, %d of the budget", held, taken)
			if most := taken + calls*(24<<10); held > most {
				t.Errorf("%d bytes are held for small answers that nobody takes, want %d at most", held, most)
			}
			close(end)
			slow.Wait()
		})
	}
}
