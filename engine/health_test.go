package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
)

// switchable is a store that can be made to fail.
type switchable struct {
	sluice.Store
	err error
}

func (s *switchable) Check(ctx context.Context, req sluice.Request) (sluice.Decision, error) {
	if s.err != nil {
		return sluice.Decision{}, s.err
	}
	return s.Store.Check(ctx, req)
}

func TestLogsOncePerChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		store := &switchable{Store: newStore(t)}
		e := newEngine(t, store, engine.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, configured("api", sluice.PerSecond(1000)))
		// check asks a hundred times and returns what was logged meanwhile.
		check := func(err error) string {
			t.Helper()
			log.Reset()
			store.err = err
			for range 100 {
				if _, err := e.Check(t.Context(), engine.Query{Policy: "api", Key: "secret-key", Cost: 1}); err != nil {
					t.Fatal(err)
				}
			}
			if strings.Contains(log.String(), "secret-key") {
				t.Errorf("a key is logged: %s", log.String())
			}
			return log.String()
		}
		gone := errors.New("redis: gone")
		for i, step := range []struct {
			err     error
			want    []string // what the log must hold; nothing is logged where there is none
			failing bool
			wait    time.Duration // before the next step
		}{
			{nil, nil, false, 0},
			{gone, []string{"the store fails", "redis: gone"}, true, 0},
			{gone, nil, true, time.Hour},
			{gone, nil, true, time.Second - 1},
			{nil, nil, true, 1},
			{nil, []string{"the store answers again", "after=1h0m1s"}, false, 0},
			{nil, nil, false, 0},
			{gone, []string{"the store fails"}, true, 0},
			{nil, nil, true, time.Second},
			{nil, []string{"the store answers again", "after=1s"}, false, 0},
		} {
			got := check(step.err)
			if lines := strings.Count(got, "\n"); lines != min(1, len(step.want)) {
				t.Errorf("step %d: logged %d lines: %s", i, lines, got)
			}
			for _, want := range step.want {
				if !strings.Contains(got, want) {
					t.Errorf("step %d: logged %q, want %q in it", i, got, want)
				}
			}
			if failure := e.StoreFailure(); (failure != nil) != step.failing {
				t.Errorf("step %d: StoreFailure = %v, want failing %t", i, failure, step.failing)
			}
			time.Sleep(step.wait)
		}
	})
}

// TestOnlyLooksAreAnswered has a store that answers looks and does nothing that it has to write for, as a Redis without memory
// does, asked for a check now and then, and looked at all the while: it fails all the while, and that is logged once.
func TestOnlyLooksAreAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		full := errors.New("OOM command not allowed when used memory > 'maxmemory'")
		store := &fullStore{Store: newStore(t), err: full}
		e := newEngine(t, store, engine.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, configured("api", sluice.PerSecond(1)))
		q := engine.Query{Policy: "api", Key: "k", Cost: 1}
		look := engine.Inline{Namespace: "probe", Limits: []sluice.Limit{sluice.PerSecond(1)}, Key: "probe", Cost: 1, Peek: true}
		for range 5 {
			if _, err := e.Check(t.Context(), q); err != nil {
				t.Fatal(err)
			}
			for range 8 {
				time.Sleep(250 * time.Millisecond)
				if _, err := e.CheckInline(t.Context(), look); err != nil {
					t.Fatal(err)
				}
				if e.StoreFailure() == nil {
					t.Fatal("it is not failing, because it has answered a look")
				}
			}
		}
		store.err = nil
		for _, cost := range []int64{2, 1} { // more than there is, which writes nothing; and what there is
			if e.StoreFailure() == nil {
				t.Error("it is not failing before it has written anything")
			}
			q.Cost = cost
			if _, err := e.Check(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.StoreFailure(); err != nil {
			t.Errorf("it has written, and fails by %v", err)
		}
		if lines := strings.Count(log.String(), "\n"); lines != 2 {
			t.Errorf("logged %d lines, want that it fails and that it answers again: %s", lines, log.String())
		}
	})
}

// fullStore answers looks, and fails all else.
type fullStore struct {
	sluice.Store
	err error
}

func (s *fullStore) Check(ctx context.Context, req sluice.Request) (sluice.Decision, error) {
	if s.err != nil && !req.Peek {
		return sluice.Decision{}, s.err
	}
	return s.Store.Check(ctx, req)
}

// TestCallersAreNoEvidence looks at errors that say something of the caller and nothing of the store, of an engine that does
// not know how long the store has for a check: see TestShortDeadlines for one that does.
func TestCallersAreNoEvidence(t *testing.T) {
	t.Parallel()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for _, test := range []struct {
		name    string
		ctx     context.Context
		err     error
		failing bool
	}{
		{"the caller went away", canceled, fmt.Errorf("%w: %w", sluice.ErrUncertain, context.Canceled), false},
		{"the caller had no time left", late, fmt.Errorf("%w: %w", sluice.ErrNotSent, context.DeadlineExceeded), false},
		{"the store let the caller's time pass", late, fmt.Errorf("%w: %w", sluice.ErrUncertain, context.DeadlineExceeded), true},
		{"the store let its own time pass", t.Context(), fmt.Errorf("%w: %w", sluice.ErrUncertain, context.DeadlineExceeded), true},
		{"one key has a foreign state", t.Context(), fmt.Errorf("%w: WRONGTYPE", sluice.ErrForeignState), false},
		{"the store cannot be reached", t.Context(), fmt.Errorf("%w: refused", sluice.ErrNotSent), true},
	} {
		e := newEngine(t, brokenStore{test.err}, engine.Config{}, configured("api", sluice.PerDay(1)))
		if _, err := e.Check(test.ctx, engine.Query{Policy: "api", Key: "k", Cost: 1}); err != nil {
			t.Fatalf("%s: Check: %v", test.name, err)
		}
		if failure := e.StoreFailure(); (failure != nil) != test.failing {
			t.Errorf("%s: StoreFailure = %v, want failing %t", test.name, failure, test.failing)
		}
	}
}

// TestShortDeadlines asks a store that has 100 ms for a check and does not answer in its caller's time. One who has waited
// for less than half of that has learned nothing of it, so that nobody can make the store out to fail by a short deadline; what
// became of his check is seen by the observer. Without a Deadline nobody knows what is short.
func TestShortDeadlines(t *testing.T) {
	t.Parallel()
	rule, err := engine.NewRule("n", []sluice.Limit{sluice.PerDay(1)}, engine.RuleConfig{})
	if err != nil {
		t.Fatal(err)
	}
	strict, err := engine.NewRule("n", []sluice.Limit{sluice.PerDay(1)}, engine.RuleConfig{StoreErrors: true})
	if err != nil {
		t.Fatal(err)
	}
	q := engine.Query{Policy: "api", Key: "k", Cost: 1}
	ways := map[string]func(context.Context, *engine.Engine){
		"Check":    func(ctx context.Context, e *engine.Engine) { _, _ = e.Check(ctx, q) },
		"CheckAll": func(ctx context.Context, e *engine.Engine) { e.CheckAll(ctx, []engine.Query{q, q}) },
		"CheckInline": func(ctx context.Context, e *engine.Engine) {
			_, _ = e.CheckInline(ctx, engine.Inline{Namespace: "n", Limits: []sluice.Limit{sluice.PerDay(1)}, Key: "k", Cost: 1})
		},
		"CheckRule": func(ctx context.Context, e *engine.Engine) {
			_, _ = e.CheckRule(ctx, engine.RuleQuery{Rule: rule, Key: "k", Cost: 1})
		},
		"CheckRules": func(ctx context.Context, e *engine.Engine) {
			e.CheckRules(ctx, []engine.RuleQuery{{Rule: rule, Key: "k", Cost: 1}})
		},
		"StoreErrors": func(ctx context.Context, e *engine.Engine) {
			_, _ = e.CheckRule(ctx, engine.RuleQuery{Rule: strict, Key: "k", Cost: 1})
		},
	}
	const timeout = 100 * time.Millisecond
	for _, test := range []struct {
		knows, takes, deadline time.Duration
		failing                bool
	}{
		{timeout, 5 * time.Millisecond, 4 * time.Millisecond, false},
		{timeout, time.Hour, timeout/2 - 1, false},
		{timeout, time.Hour, timeout / 2, true},
		{timeout, time.Hour, timeout - 1, true},
		{timeout, time.Hour, time.Minute, true},
		{0, time.Hour, timeout/2 - 1, true},
	} {
		for name, ask := range ways {
			for _, watched := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					cfg := engine.Config{Deadline: test.knows}
					var got []engine.Observation
					if watched {
						cfg.Observer = func(_ context.Context, o engine.Observation) { got = append(got, o) }
					}
					e := newEngine(t, &slowStore{takes: test.takes, timeout: timeout}, cfg, configured("api", sluice.PerDay(1)))
					ctx, cancel := context.WithTimeout(t.Context(), test.deadline)
					defer cancel()
					ask(ctx, e)
					if failure := e.StoreFailure(); (failure != nil) != test.failing {
						t.Errorf("%s within %s of %s, watched %t: StoreFailure = %v, want failing %t", name, test.deadline, test.knows, watched, failure, test.failing)
					}
					for _, o := range got {
						if !errors.Is(o.Err, sluice.ErrUncertain) || o.Abandoned == test.failing {
							t.Errorf("%s within %s of %s: observed %+v, want ErrUncertain, abandoned %t", name, test.deadline, test.knows, o, !test.failing)
						}
					}
					if watched && len(got) == 0 {
						t.Errorf("%s within %s of %s: nothing was observed", name, test.deadline, test.knows)
					}
				})
			}
		}
	}
}

func TestObserver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("redis: gone")
		var got []engine.Observation
		cfg := engine.Config{Observer: func(_ context.Context, o engine.Observation) { got = append(got, o) }}
		store := &switchable{Store: slow{newStore(t)}}
		shadow, closed := configured("shadow", sluice.PerDay(1)), configured("closed", sluice.PerDay(1))
		shadow.Shadow, closed.OnError = true, sluice.Deny
		e := newEngine(t, store, cfg, configured("api", sluice.PerDay(1)), shadow, closed)
		check := func(policy string, peek bool) {
			_, _ = e.Check(t.Context(), engine.Query{Policy: policy, Key: "k", Cost: 1, Peek: peek}) // the observer tells
		}
		inline := func() {
			_, _ = e.CheckInline(t.Context(), engine.Inline{Namespace: "n", Limits: []sluice.Limit{sluice.PerDay(1)}, Key: "k", Cost: 1})
		}
		check("api", false)
		check("api", true)
		check("unknown", false)
		check("shadow", false)
		check("shadow", false)
		inline()
		inline()
		e.CheckAll(t.Context(), []engine.Query{{Policy: "api", Key: "l", Cost: 1}, {Policy: "api"}, {Policy: "api", Key: "l", Cost: 1}})
		store.err = gone
		check("api", false)
		check("closed", false)
		check("closed", true)
		inline()

		want := []engine.Observation{
			{Policy: "api", Outcome: engine.Allowed, Elapsed: time.Second},
			{Policy: "api", Outcome: engine.Denied, Peek: true, Elapsed: time.Second},
			{Policy: "shadow", Outcome: engine.Allowed, Elapsed: time.Second},
			{Policy: "shadow", Outcome: engine.ShadowDenied, Elapsed: time.Second},
			{Outcome: engine.Allowed, Elapsed: time.Second},
			{Outcome: engine.Denied, Elapsed: time.Second},
			{Policy: "api", Outcome: engine.Allowed, Elapsed: time.Minute},
			{Policy: "api", Outcome: engine.Denied, Elapsed: time.Minute},
			{Policy: "api", Outcome: engine.Allowed, Source: sluice.SourceErrorPolicy, Err: gone},
			{Policy: "closed", Outcome: engine.Denied, Source: sluice.SourceErrorPolicy, Err: gone},
			{Policy: "closed", Outcome: engine.Failed, Peek: true, Err: gone},
			{Outcome: engine.Failed, Err: gone},
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b error) bool { return a == b })); diff != "" {
			t.Errorf("observed, -want +got:\n%s", diff)
		}
	})
}

// fromMemory is a store that decides without asking anybody.
type fromMemory struct{ sluice.Store }

func (s fromMemory) Check(ctx context.Context, req sluice.Request) (sluice.Decision, error) {
	d, err := s.Store.Check(ctx, req)
	d.Source = sluice.SourceDenyCache
	return d, err
}

// TestWhatIsDecidedWithoutTheStore says nothing of whether that answers, and the observer is told who has decided.
func TestWhatIsDecidedWithoutTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got []sluice.Source
		cfg := engine.Config{Observer: func(_ context.Context, o engine.Observation) { got = append(got, o.Source) }}
		store := &switchable{Store: fromMemory{newStore(t)}}
		e := newEngine(t, store, cfg, configured("api", sluice.PerDay(1)))
		check := func() {
			if _, err := e.Check(t.Context(), engine.Query{Policy: "api", Key: "k", Cost: 1}); err != nil {
				t.Fatal(err)
			}
		}
		check()
		store.err = errors.New("redis: gone")
		check()
		store.err = nil
		time.Sleep(time.Minute)
		check()
		if e.StoreFailure() == nil {
			t.Error("after a decision from memory the store counts as answering again")
		}
		if want := []sluice.Source{sluice.SourceDenyCache, sluice.SourceErrorPolicy, sluice.SourceDenyCache}; !slices.Equal(got, want) {
			t.Errorf("observed the sources %v, want %v", got, want)
		}
	})
}

// slow takes a second for a check and a minute for several.
type slow struct{ sluice.Store }

func (s slow) Check(ctx context.Context, req sluice.Request) (sluice.Decision, error) {
	time.Sleep(time.Second)
	return s.Store.Check(ctx, req)
}

func (s slow) CheckAll(ctx context.Context, reqs []sluice.Request) []sluice.Result {
	time.Sleep(time.Minute)
	return s.Store.CheckAll(ctx, reqs)
}

func TestOutcomeString(t *testing.T) {
	t.Parallel()
	for o, want := range map[engine.Outcome]string{
		engine.Allowed: "allowed", engine.Denied: "denied", engine.ShadowDenied: "shadow_denied", engine.Failed: "failed", 99: "Outcome(99)",
	} {
		if got := o.String(); got != want {
			t.Errorf("String of %d = %q, want %q", uint8(o), got, want)
		}
	}
}
