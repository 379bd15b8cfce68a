package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/policy"
)

// view is where a test's snapshots come from. Each refresh swaps the next.
type view struct {
	engine  *engine.Engine
	before  sluice.Tick
	next    *policy.Snapshot
	gone    bool // it cannot be refreshed
	moves   bool // somebody else refreshes it while it is asked
	asked   int
	renewed sluice.Tick // what before is after a refresh
}

func (v *view) Before() sluice.Tick {
	if v.moves {
		v.engine.Swap(v.next)
		return v.renewed
	}
	return v.before
}

func (v *view) Refresh(context.Context) error {
	v.asked++
	if v.gone {
		v.before = 0
		return errors.New("gone")
	}
	v.engine.Swap(v.next)
	v.before = v.renewed
	return nil
}

// newAged returns an engine whose snapshot may not be decided by any more, of a policy that has changed from 3 to 5 a day.
func newAged(t *testing.T) (*engine.Engine, *view) {
	v := &view{before: 1, next: newSnapshot(t, configured("api", sluice.PerDay(5)))}
	v.renewed = sluice.Tick(time.Now().Add(time.Hour).UnixMicro())
	v.engine = newEngine(t, newStore(t), engine.Config{View: v}, configured("api", sluice.PerDay(3)))
	return v.engine, v
}

func TestAnAgedViewIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	e, v := newAged(t)
	for want := range int64(2) {
		a, err := e.Check(t.Context(), engine.Query{Policy: "api", Key: "k", Cost: 1})
		if err != nil || a.Source != sluice.SourceStore || a.Remaining != 4-want || v.asked != 1 {
			t.Errorf("check %d: %v (%s), %v, after %d looks; want %d remaining of the store after one look", want, a.Decision, a.Source, err, v.asked, 4-want)
		}
	}
}

func TestABatchLooksAgain(t *testing.T) {
	t.Parallel()
	e, v := newAged(t)
	q := engine.Query{Policy: "api", Key: "k", Cost: 1}
	for i, r := range e.CheckAll(t.Context(), []engine.Query{q, q, q}) {
		if r.Err != nil || r.Answer.Remaining != int64(4-i) {
			t.Errorf("check %d: %v, %v; want %d remaining", i, r.Answer.Decision, r.Err, 4-i)
		}
	}
	if v.asked != 1 {
		t.Errorf("the view was looked at %d times, want once", v.asked)
	}
}

// TestTheViewIsAskedBeforeTheSnapshot has the view change while it is asked. Its answer may be about the new one, so that
// the old snapshot must not be decided by under it.
func TestTheViewIsAskedBeforeTheSnapshot(t *testing.T) {
	t.Parallel()
	q := engine.Query{Policy: "api", Key: "k", Cost: 1}
	for what, check := range map[string]func(e *engine.Engine) (engine.Answer, error){
		"one": func(e *engine.Engine) (engine.Answer, error) { return e.Check(t.Context(), q) },
		"batch": func(e *engine.Engine) (engine.Answer, error) {
			r := e.CheckAll(t.Context(), []engine.Query{q})[0]
			return r.Answer, r.Err
		},
	} {
		e, v := newAged(t)
		v.moves = true
		if a, err := check(e); err != nil || a.Remaining != 4 || v.asked != 0 {
			t.Errorf("%s: %v, %v, after %d looks; want 4 remaining of the new snapshot, without a look", what, a.Decision, err, v.asked)
		}
	}
}

// TestAViewThatCannotBeRefreshed decides by what is known: nobody can know better.
func TestAViewThatCannotBeRefreshed(t *testing.T) {
	t.Parallel()
	e, v := newAged(t)
	v.gone = true
	a, err := e.Check(t.Context(), engine.Query{Policy: "api", Key: "k", Cost: 1})
	if err != nil || a.Source != sluice.SourceStore || a.Remaining != 2 {
		t.Errorf("%v (%s), %v; want 2 remaining, of the store", a.Decision, a.Source, err)
	}
}

// TestAViewThatIsNeverFresh has the clock of a key's node be far ahead of that by which the view is dated. What was
// looked at for this very check decides it then, and not the policy's word for a store that fails.
func TestAViewThatIsNeverFresh(t *testing.T) {
	t.Parallel()
	e, v := newAged(t)
	v.renewed = 1
	a, err := e.Check(t.Context(), engine.Query{Policy: "api", Key: "k", Cost: 1})
	if err != nil || a.Source != sluice.SourceStore || a.Remaining != 4 || v.asked != 3 {
		t.Errorf("%v (%s), %v, after %d looks; want 4 remaining of the new snapshot, of the store, after 3 looks", a.Decision, a.Source, err, v.asked)
	}
}

// TestShadowCountsNoRefusals has a policy in the shadow refuse often enough for its penalty.
func TestShadowCountsNoRefusals(t *testing.T) {
	t.Parallel()
	shadow := configured("api", sluice.PerDay(1))
	shadow.Shadow = true
	shadow.Penalty = &sluice.Penalty{After: 2, Within: time.Hour, For: time.Hour}
	open := shadow
	open.Name, open.Shadow = "open", false
	e := newEngine(t, newStore(t), engine.Config{}, shadow, open)
	for i := range 5 {
		a, err := e.Check(t.Context(), engine.Query{Policy: "api", Key: "k", Cost: 1})
		if _, blocked := a.Blocked(); err != nil || blocked {
			t.Errorf("check %d in the shadow: %v, %v", i, a.Decision, err)
		}
		a, err = e.Check(t.Context(), engine.Query{Policy: "open", Key: "k", Cost: 1})
		if _, blocked := a.Blocked(); err != nil || blocked != (i >= 2) {
			t.Errorf("check %d: blocked %t, %v", i, blocked, err)
		}
	}
}

func TestOverridesOfTheDocument(t *testing.T) {
	t.Parallel()
	p := configured("api", sluice.PerDay(3))
	p.Overrides = []policy.Override{
		{Pattern: "trial-*", Limits: []sluice.Limit{sluice.PerDay(1)}},
		{Pattern: "trial-7", Limits: []sluice.Limit{sluice.PerDay(7)}},
	}
	store := newStore(t)
	e := newEngine(t, store, engine.Config{}, p)
	if _, err := store.Amend(t.Context(), sluice.Amendment{Policy: "api", Key: "trial-8", Except: &sluice.Exception{
		Limits: []sluice.Limit{sluice.PerDay(8)},
	}}); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]int64{"alice": 3, "trial-1": 1, "trial-7": 7, "trial-8": 8} {
		a, err := e.Check(t.Context(), engine.Query{Policy: "api", Key: key, Cost: 1, Peek: true})
		if err != nil || a.Remaining != want {
			t.Errorf("%s: %v, %v; want %d remaining", key, a.Decision, err, want)
		}
	}
}
