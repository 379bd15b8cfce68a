package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/storetest/model"
)

// TestFlawsAreFoundInRealTime is [TestFlawsAreFound] for the suite that runs on the clock.
func TestFlawsAreFoundInRealTime(t *testing.T) {
	limitless := func(find func(s *suite, t testing.TB)) func(*suite, testing.TB, sluice.Limit) {
		return func(s *suite, t testing.TB, _ sluice.Limit) { find(s, t) }
	}
	for _, test := range []struct {
		flaw flaw
		find func(s *suite, t testing.TB, l sluice.Limit)
	}{
		{amendFlaw("ends blocks early", nil, func(a *sluice.Amendment) {
			if a.Bar != nil {
				a.Bar = &sluice.Bar{For: a.Bar.For / 2}
			}
		}), limitless((*suite).blockEnds)},
		{amendFlaw("ends blocks late", nil, func(a *sluice.Amendment) {
			if a.Bar != nil {
				a.Bar = &sluice.Bar{For: a.Bar.For + 50*time.Millisecond}
			}
		}), limitless((*suite).blockEnds)},
		{penaltyFlaw("doubles no penalty", nil, func(p *sluice.Penalty) { p.Max = p.For }), limitless((*suite).penaltiesEnd)},
		{penaltyFlaw("begins a penalty late", nil, func(p *sluice.Penalty) { p.After++ }), limitless((*suite).penaltiesEnd)},
		{amendFlaw("lets overrides last", nil, func(a *sluice.Amendment) {
			if a.Except != nil {
				a.Except = &sluice.Exception{Limits: a.Except.Limits, For: a.Except.For + 100*time.Millisecond}
			}
		}), limitless((*suite).overrideEnds)},
		{flaw{name: "forgets a standing early", gone: func(life model.Life) bool {
			return life.Written+ticks(life.Most)/2 <= clock()
		}}, limitless((*suite).standingGoes)},
		{flaw{name: "never forgets a standing", gone: func(model.Life) bool { return false }}, limitless((*suite).standingGoes)},
		{flaw{name: "is gone early", gone: func(life model.Life) bool {
			return life.Written+ticks(life.Most)/2 <= clock()
		}}, (*suite).goesByItself},
		{flaw{name: "is never gone", gone: func(model.Life) bool { return false }}, (*suite).goesByItself},
		{flaw{name: "forgets early", decide: func(f *flawed, req sluice.Request) sluice.Decision {
			if life, ok := f.model.Life(idOf(req)); ok && life.Written+ticks(life.Most)/2 <= clock() {
				f.model.Forget(idOf(req))
			}
			return f.model.Decide(req)
		}}, (*suite).comesBack},
		{flaw{name: "promises too much", decide: func(f *flawed, req sluice.Request) sluice.Decision {
			d := f.model.Decide(req)
			d.RetryAfter /= 2
			return d
		}}, (*suite).comesBack},
		{flaw{name: "allows one unit too many", decide: func(f *flawed, req sluice.Request) sluice.Decision {
			limit := req.Policy.Limits[0]
			limit = sameRule(limit, limit.Count()+1, limit.Period())
			req.Policy = &sluice.Policy{Name: req.Policy.Name, Limits: []sluice.Limit{limit}}
			return f.model.Decide(req)
		}}, (*suite).staysWithinBounds},
	} {
		t.Run(test.flaw.name, func(t *testing.T) {
			t.Parallel()
			s := newSuite(newFlawed(test.flaw), 0)
			r := &recorder{TB: t}
			r.run(func(t testing.TB) { test.find(s, t, sluice.Per(3, 200*time.Millisecond)) })
			if !r.failed {
				t.Error("the suite does not find it")
			}
		})
	}
}

// TestDifferenceIsFound compares two stores that differ in one field of few decisions.
func TestDifferenceIsFound(t *testing.T) {
	other := newFlawed(flaw{decide: func(f *flawed, req sluice.Request) sluice.Decision {
		d := f.model.Decide(req)
		if d.ResetAfter > 0 && req.At%1000 == 7 {
			d.ResetAfter--
		}
		return d
	}})
	r := &recorder{TB: t}
	r.run(func(t testing.TB) { Equal(t, 10_000, 1, map[string]Harness{"a": newFlawed(flaw{}), "b": other}) })
	if !r.failed || !strings.Contains(r.text, "seed 1") {
		t.Errorf("the difference is not found, or the seed not named: %.200q", r.text)
	}
}

// TestDifferentStandingsAreFound compares two stores of which one shows an override a tick too long.
func TestDifferentStandingsAreFound(t *testing.T) {
	other := newFlawed(flaw{amend: func(f *flawed, a sluice.Amendment) sluice.Standing {
		is := f.model.Amend(a)
		if is.Override != nil && is.Override.Until%1000 == 123 {
			is.Override.Until++
		}
		return is
	}})
	r := &recorder{TB: t}
	r.run(func(t testing.TB) { Equal(t, 30_000, 1, map[string]Harness{"a": newFlawed(flaw{}), "b": other}) })
	if !r.failed || !strings.Contains(r.text, "two standings") {
		t.Errorf("the difference is not found: %.200q", r.text)
	}
}
