package denycache_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/denycache"
)

// after is a penalty that so many refusals within a minute begin.
func after(n int64) *sluice.Penalty {
	return &sluice.Penalty{After: n, Within: time.Minute, For: time.Hour}
}

// standing returns what the store knows of the key.
func (d *desk) standing() sluice.Standing {
	d.t.Helper()
	is, err := d.under.Amend(d.t.Context(), sluice.Amendment{Policy: d.policy.Name, Key: d.key})
	if err != nil {
		d.t.Fatal(err)
	}
	return is
}

func (d *desk) wantRefusals(what string, want int64) {
	d.t.Helper()
	if got := d.standing(); got.Refusals != want {
		d.t.Errorf("%s: the store has counted %d refusals, want %d", what, got.Refusals, want)
	}
}

// TestRefusalsAreReported: those from memory count, and the store knows of them within a second, whether somebody goes on
// asking or not.
func TestRefusalsAreReported(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"abuser", fmt.Sprintf("%0200d", 1)} {
		bubble(t, denycache.Config{}, hour, func(t *testing.T, d *desk) {
			d.policy.Penalty, d.key = after(1000), key
			d.check(5)
			d.check(1)
			for range 8 {
				time.Sleep(10 * time.Millisecond)
				d.check(2)
			}
			d.ask(sluice.Request{Cost: 1, Uncounted: true})
			d.wantRefusals("at first", 1)
			time.Sleep(600 * time.Millisecond)
			d.wantRefusals("when nobody has asked since", 9)
			d.under.took()
			d.wantSource("after the report", d.check(1), sluice.SourceDenyCache)
			time.Sleep(time.Second)
			d.wantRefusals("a second later", 10)
			d.check(1)
			time.Sleep(10 * time.Second)
			d.wantRefusals("ten seconds later", 11)
			d.wantAsked("three refusals", 2) // a report, and a check
			d.check(0)
			d.wantRefusals("a cost of 0", 11)
		})
	}
	bubble(t, denycache.Config{}, hour, func(t *testing.T, d *desk) {
		d.policy.Penalty = after(100_000)
		d.check(5)
		d.under.took()
		refused := int64(0)
		for range 10_000 {
			d.check(1)
			refused++
			time.Sleep(time.Millisecond)
			if got := d.standing().Refusals; got < refused-1000 {
				t.Fatalf("the store has counted %d of %d refusals, want all that are older than a second", got, refused)
			}
		}
		if asked := len(d.under.took()); asked > 21 {
			t.Errorf("in ten seconds the store was asked %d times, want twice a second at most", asked)
		}
		time.Sleep(time.Second)
		d.wantRefusals("all told", refused)
	})
}

// TestReportedWithTheNextQuestion: whatever goes to the store takes along what has not been reported.
func TestReportedWithTheNextQuestion(t *testing.T) {
	t.Parallel()
	for name, req := range map[string]sluice.Request{
		"a peek":                            {Cost: 1, Peek: true},
		"a cost of 0":                       {},
		"a smaller cost":                    {Cost: 1, Uncounted: true},
		"one that brings some of its own":   {Cost: 2, Refusals: 1, Uncounted: true},
		"one that brings all that there is": {Cost: 2, Refusals: sluice.MaxCount, Uncounted: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, batch := range []bool{false, true} {
				bubble(t, denycache.Config{}, hour, func(t *testing.T, d *desk) {
					d.policy.Penalty = after(1000)
					d.check(4)
					for range 5 {
						d.check(2)
					}
					d.under.took()
					if batch {
						req := req
						req.Policy, req.Key = d.policy, d.key
						d.cache.CheckAll(t.Context(), []sluice.Request{req, req})
					} else {
						d.ask(req)
					}
					want := min(req.Refusals+4, sluice.MaxCount)
					if got := d.under.took()[0].Refusals; got != want {
						t.Errorf("it reports %d refusals, want %d", got, want)
					}
				})
			}
		})
	}
}

// TestAPenaltyBegins by refusals from memory.
func TestAPenaltyBegins(t *testing.T) {
	t.Parallel()
	bubble(t, denycache.Config{}, hour, func(t *testing.T, d *desk) {
		d.policy.Penalty = after(50)
		d.check(5)
		begun, barred := time.Now(), false
		for range 1000 {
			time.Sleep(time.Millisecond)
			if _, barred = d.check(1).Blocked(); barred {
				break
			}
		}
		if took := time.Since(begun); !barred || took > 600*time.Millisecond {
			t.Fatalf("after %s barred: %t, want it half a second after the 50th refusal at the latest", took, barred)
		}
		// Knocking on the block is answered from memory, and counts for nothing.
		for range 3000 {
			time.Sleep(time.Millisecond)
			d.check(1)
		}
		if got := d.standing(); got.Refusals != 0 || got.Blocks != 1 {
			t.Errorf("after three seconds of knocking: %d refusals, %d past blocks, want 0 and 1", got.Refusals, got.Blocks)
		}
		// An unblock forgets what counts, also what is not reported yet.
		d.policy.Penalty = after(1000)
		if err := amend(sluice.Amendment{Unbar: true})(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		d.check(1)
		d.check(1)
		if err := amend(sluice.Amendment{Unbar: true})(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		d.wantRefusals("after an unblock", 0)
		// A reset does not.
		d.check(1)
		d.check(1)
		if err := d.cache.Reset(t.Context(), d.policy, d.key); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		d.wantRefusals("after a reset", 2)
	})
}

// TestKnockingOnABlock counts for nothing, also where the block is over by the time that it is reported.
func TestKnockingOnABlock(t *testing.T) {
	t.Parallel()
	bubble(t, denycache.Config{}, hour, func(t *testing.T, d *desk) {
		d.policy.Penalty = after(1000)
		if err := amend(sluice.Amendment{Bar: &sluice.Bar{For: 300 * time.Millisecond}})(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			d.check(1)
		}
		time.Sleep(2 * time.Second)
		d.check(0)
		d.wantRefusals("five knocks", 0)
	})
}

// TestQuestionsThatFail: refusals go with the next one, unless the first may have brought them.
func TestQuestionsThatFail(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]int64{sluice.ErrNotSent: 5, sluice.ErrUncertain: 1} {
		for _, batch := range []bool{false, true} {
			bubble(t, denycache.Config{}, hour, func(t *testing.T, d *desk) {
				d.policy.Penalty = after(1000)
				d.check(5)
				for range 5 {
					d.check(1)
				}
				look := sluice.Request{Policy: d.policy, Key: d.key, Cost: 1, Peek: true}
				d.under.fail(err)
				if batch {
					d.cache.CheckAll(t.Context(), []sluice.Request{look})
				} else if _, got := d.cache.Check(t.Context(), look); !errors.Is(got, err) {
					t.Errorf("the question that fails: %v, want %v", got, err)
				}
				d.under.fail(nil)
				d.ask(look)
				d.wantRefusals(fmt.Sprint(err), want)
			})
		}
	}
}

// TestReportsThatFail: what is known not to have arrived goes with the next question; what may have does not.
func TestReportsThatFail(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want int64
	}{
		{errors.New("refused"), 9},
		{sluice.ErrStale, 9},
		{sluice.ErrNotSent, 9},
		{fmt.Errorf("no answer: %w", sluice.ErrUncertain), 1},
	} {
		bubble(t, denycache.Config{}, hour, func(t *testing.T, d *desk) {
			d.policy.Penalty = after(1000)
			d.check(5)
			for range 9 {
				d.check(1)
			}
			d.under.fail(test.err)
			time.Sleep(600 * time.Millisecond)
			if asked := d.under.took(); len(asked) != 3 {
				t.Errorf("%v: the store was asked %d times, want two checks and a report", test.err, len(asked))
			}
			time.Sleep(300 * time.Millisecond)
			d.wantAsked("a report that failed", 0)
			d.under.fail(nil)
			d.ask(sluice.Request{Cost: 1, Peek: true})
			d.wantRefusals(fmt.Sprint(test.err), test.want)
		})
	}
	// What cannot be reported for long is forgotten.
	bubble(t, denycache.Config{}, hour, func(t *testing.T, d *desk) {
		d.policy.Penalty = after(1000)
		d.check(5)
		d.check(1)
		d.check(1)
		d.under.fail(errors.New("refused"))
		time.Sleep(20 * time.Second)
		if got := d.cache.Stats(); got.Entries != 0 {
			t.Errorf("Stats = %+v, want nothing kept", got)
		}
	})
}

// TestEvictedRefusalsAreReported: refusals of a key that has lost its place.
func TestEvictedRefusalsAreReported(t *testing.T) {
	t.Parallel()
	bubble(t, denycache.Config{MaxEntries: 8}, hour, func(t *testing.T, d *desk) {
		d.policy.Penalty = after(1000)
		for i := range 16 {
			d.key = fmt.Sprint("key-", i)
			d.check(5)
			for range 3 {
				d.check(1)
			}
		}
		time.Sleep(time.Second)
		reported := 0
		for i := range 16 {
			d.key = fmt.Sprint("key-", i)
			if d.standing().Refusals == 3 {
				reported++
			}
		}
		if reported != 16 {
			t.Errorf("of 16 keys those of %d are counted, want all", reported)
		}
	})
}

// TestEachRefusalCountsOnce has many goroutines ask in real time, and loses none of their refusals.
func TestEachRefusalCountsOnce(t *testing.T) {
	t.Parallel()
	const goroutines, each = 8, 20_000
	under := newWatched(t)
	cache := newCache(t, under, denycache.Config{})
	policy := &sluice.Policy{Name: "api", Limits: hour, DenyCache: true, Penalty: after(sluice.MaxCount)}
	stop := run(t, cache)
	var all sync.WaitGroup
	for i := range goroutines {
		all.Go(func() {
			for j := range each {
				key := fmt.Sprint("k", (i+j)%3)
				if _, err := cache.Check(t.Context(), sluice.Request{Policy: policy, Key: key, Cost: 5}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	refusals := func() (n int64) {
		for i := range 3 {
			is, err := under.Amend(t.Context(), sluice.Amendment{Policy: "api", Key: fmt.Sprint("k", i)})
			if err != nil {
				t.Fatal(err)
			}
			n += is.Refusals
		}
		return n
	}
	const want = goroutines*each - 3
	for deadline := time.Now().Add(10 * time.Second); refusals() < want && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond) // the reports are made in real time
	}
	stop()
	if got := refusals(); got != want {
		t.Errorf("%d refusals are counted, want %d", got, want)
	}
}
