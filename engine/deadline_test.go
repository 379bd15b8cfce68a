package engine_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
)

// slowStore takes its time, and says of every question that may come too late that it does. As a store in Redis does, it gives up with
// its caller, or when its own timeout has passed.
type slowStore struct {
	sluice.Store
	takes, timeout time.Duration
	calls          int
}

func (s *slowStore) Check(ctx context.Context, req sluice.Request) (sluice.Decision, error) {
	r := s.CheckAll(ctx, []sluice.Request{req})[0]
	return r.Decision, r.Err
}

func (s *slowStore) CheckAll(ctx context.Context, reqs []sluice.Request) []sluice.Result {
	s.calls++
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	results := make([]sluice.Result, len(reqs))
	err := sluice.ErrStale
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		err = sluice.ErrUncertain
	}
	for i := range results {
		if results[i].Err = err; err == sluice.ErrStale && reqs[i].Before == 0 {
			results[i] = sluice.Result{Decision: sluice.Decision{Allowed: true, Source: sluice.SourceStore}}
		}
	}
	return results
}

// TestAStaleCheckHasOneDeadline asks a store that answers late each time, and always that it is too late: all that is done
// for the check has the time of one together, and then on_error decides. Of many together, each has.
func TestAStaleCheckHasOneDeadline(t *testing.T) {
	t.Parallel()
	q := engine.Query{Policy: "api", Key: "k", Cost: 1}
	for what, check := range map[string]func(ctx context.Context, e *engine.Engine) (engine.Answer, error){
		"one": func(ctx context.Context, e *engine.Engine) (engine.Answer, error) { return e.Check(ctx, q) },
		"batch": func(ctx context.Context, e *engine.Engine) (engine.Answer, error) {
			all := e.CheckAll(ctx, []engine.Query{q, {Policy: "nobody's"}, q, q})
			return all[3].Answer, all[3].Err
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			const deadline = 100 * time.Millisecond
			store := &slowStore{takes: 80 * time.Millisecond, timeout: deadline}
			v := &view{before: 1, renewed: 2, next: newSnapshot(t, configured("api", sluice.PerDay(5)))}
			v.engine = newEngine(t, store, engine.Config{View: v, Deadline: deadline}, configured("api", sluice.PerDay(3)))
			begin := time.Now()
			a, err := check(t.Context(), v.engine)
			if took := time.Since(begin); err != nil || a.Source != sluice.SourceErrorPolicy || took != deadline || store.calls != 2 {
				t.Errorf("%s: %v (%s), %v after %s and %d calls; want on_error's answer after %s and 2", what, a.Decision, a.Source, err, took, store.calls, deadline)
			}
		})
	}
}
