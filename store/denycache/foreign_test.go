package denycache_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/denycache"
)

// act is one thing that is done to one of a few keys, through the cache or, elsewhere, behind its back.
type act struct {
	pause     time.Duration // before it
	key       string
	elsewhere bool
	kind      string
	cost      int64
	limit     sluice.Limit // of an override or a change
}

// script is what a test does.
type script struct {
	limits  []sluice.Limit
	penalty *sluice.Penalty
	acts    []act
}

// drawLimit draws a limit of any algorithm, over periods that a test of a few seconds goes through.
func drawLimit(t *rapid.T, name string) sluice.Limit {
	period := rapid.SampledFrom([]time.Duration{50 * time.Millisecond, 700 * time.Millisecond, time.Second, 3 * time.Second, time.Hour}).Draw(t, "period")
	l := sluice.Per(rapid.Int64Range(1, 9).Draw(t, "count"), period).WithName(name)
	switch rapid.IntRange(0, 4).Draw(t, "algorithm") {
	case 0:
		return l.WithBurst(rapid.Int64Range(1, 9).Draw(t, "burst"))
	case 1:
		return l.WithAlgorithm(sluice.FixedWindow)
	case 2:
		return l.WithAligned()
	case 3:
		return l.WithAlgorithm(sluice.SlidingCounter)
	}
	return l
}

func drawScript(t *rapid.T) (s script) {
	for i := range rapid.IntRange(1, 4).Draw(t, "limits") {
		s.limits = append(s.limits, drawLimit(t, fmt.Sprint("l", i)))
	}
	if rapid.Bool().Draw(t, "penalty") {
		s.penalty = &sluice.Penalty{After: 5, Within: time.Second, For: 700 * time.Millisecond}
	}
	for range rapid.IntRange(5, 120).Draw(t, "acts") {
		pause := rapid.SampledFrom([]int{0, 0, 0, 0, 1, 1, 7, 49, 250, 500, 999, 1000}).Draw(t, "pause")
		s.acts = append(s.acts, act{
			pause:     time.Duration(pause) * time.Millisecond,
			key:       rapid.SampledFrom([]string{"a", "a", "a", "b"}).Draw(t, "key"),
			elsewhere: rapid.IntRange(0, 3).Draw(t, "elsewhere") == 0,
			kind: rapid.SampledFrom([]string{
				"check", "check", "check", "check", "check", "check", "check", "check", "check", "check", "check", "reset", "reset", "bar", "unbar", "except", "unexcept", "change",
			}).Draw(t, "kind"),
			cost:  rapid.SampledFrom([]int64{0, 1, 1, 2, 3, 5, 8, 8, 8, 10}).Draw(t, "cost"),
			limit: drawLimit(t, "l0"),
		})
	}
	return s
}

// TestAgainstTheStore has checks answered by a cache while others change the same keys behind its back, and compares each
// with what the store would say at that instant. The cache admits nothing that the store does not; it refuses what the
// store would admit only within a second of a change that was made elsewhere; and without one its numbers are those of
// the store, as far as they can be known.
func TestAgainstTheStore(t *testing.T) {
	t.Parallel()
	fromMemory, late := 0, 0
	check := func(rt *rapid.T) {
		s := drawScript(rt)
		var err error
		synctest.Test(t, func(t *testing.T) {
			p := &play{
				ctx: t.Context(), under: newWatched(t), changed: make(map[string]time.Time), admitted: make(map[string]time.Time),
				policy: &sluice.Policy{Name: "p", Limits: s.limits, Penalty: s.penalty, DenyCache: true},
			}
			p.cache = newCache(t, p.under, denycache.Config{MaxEntries: 8})
			stop := run(t, p.cache)
			defer stop()
			for i, a := range s.acts {
				if err = p.do(a); err != nil {
					err = fmt.Errorf("act %d of %+v: %w", i, s, err)
					break
				}
			}
			fromMemory += p.fromMemory
			late += p.late
		})
		if err != nil {
			rt.Fatal(err)
		}
	}
	for range 10 {
		rapid.Check(t, check)
	}
	if fromMemory < 100 || late == 0 {
		t.Errorf("%d refusals came from memory, and %d of these late, want at least 100 and some", fromMemory, late)
	}
}

// play is a script that is being played.
type play struct {
	ctx              context.Context
	under            *watched
	cache            *denycache.Store
	policy           *sluice.Policy
	changed          map[string]time.Time // when something was last done to a key that this process does not know
	admitted         map[string]time.Time // when it was last admitted
	fromMemory, late int
}

func (p *play) do(a act) error {
	time.Sleep(a.pause)
	where := sluice.Store(p.cache)
	if a.elsewhere {
		where = p.under.Store
	}
	amend := func(change sluice.Amendment) error {
		change.Policy, change.Key = p.policy.Name, a.key
		_, err := where.Amend(p.ctx, change)
		return err
	}
	var err error
	lasts, all := time.Duration(0), p.all(a.key)
	switch a.kind {
	case "check":
		req := sluice.Request{Policy: p.policy, Key: a.key, Cost: a.cost}
		if !a.elsewhere {
			return p.compare(req)
		}
		return p.saw(where.Check(p.ctx, req))(req.Key)
	case "reset":
		if a.elsewhere { // of one who is refused
			if err := errors.Join(p.compare(all), p.compare(all)); err != nil {
				return err
			}
		}
		err = where.Reset(p.ctx, p.policy, a.key)
	case "bar":
		err = amend(sluice.Amendment{Bar: &sluice.Bar{For: 600 * time.Millisecond, Reason: "by hand"}})
	case "unbar":
		err = amend(sluice.Amendment{Unbar: true})
	case "except":
		lasts = time.Second // it ends by itself, which nobody is told
		err = amend(sluice.Amendment{Except: &sluice.Exception{Limits: []sluice.Limit{a.limit}, For: lasts}})
	case "unexcept":
		err = amend(sluice.Amendment{Unexcept: true})
	case "change": // which this process knows
		other := *p.policy
		other.Limits = slices.Clone(p.policy.Limits)
		other.Limits[0] = a.limit
		p.policy = &other
		return nil
	}
	if changed := time.Now().Add(lasts); (a.elsewhere || lasts > 0) && changed.After(p.changed[a.key]) {
		p.changed[a.key] = changed
	}
	if err == nil && a.elsewhere && a.kind == "reset" {
		err = p.compare(all)
	}
	return err
}

// all returns a request for all that the policy ever allows at once.
func (p *play) all(key string) sluice.Request {
	least := int64(sluice.MaxCount)
	for _, l := range p.policy.Limits {
		least = min(least, l.Capacity())
	}
	return sluice.Request{Policy: p.policy, Key: key, Cost: least}
}

// saw notes what the store has admitted.
func (p *play) saw(d sluice.Decision, err error) func(key string) error {
	return func(key string) error {
		if d.Allowed {
			p.admitted[key] = time.Now()
		}
		return err
	}
}

// compare asks the cache, and the store itself just before.
func (p *play) compare(req sluice.Request) error {
	look := req
	look.Peek = true
	truth, err := p.under.Store.Check(p.ctx, look)
	if err != nil {
		return err
	}
	got, err := p.cache.Check(p.ctx, req)
	if err != nil || got.Source != sluice.SourceDenyCache {
		return p.saw(got, err)(req.Key)
	}
	p.fromMemory++
	since := time.Since(p.changed[req.Key])
	at := fmt.Sprintf("%s, limits %v\nthe store: %s, limits %v\n%s ago something was done elsewhere", got, got.Limits(), truth, truth.Limits(), since)
	if got.Allowed || got.RetryAfter <= 0 || got.Cost != req.Cost {
		return fmt.Errorf("from memory: %s", at)
	}
	if since < time.Second {
		if truth.Allowed {
			p.late++
		}
		return nil
	}
	b, barred := got.Blocked()
	c, still := truth.Blocked()
	switch {
	case truth.Allowed:
		return fmt.Errorf("refused from memory what the store admits: %s", at)
	case barred && (!still || b != c): // one that a penalty has begun elsewhere is not known yet
		return fmt.Errorf("from memory blocked %t by %+v, want %t by %+v: %s", barred, b, still, c, at)
	case got.RetryAfter > truth.RetryAfter || got.ResetAfter > truth.ResetAfter ||
		got.Remaining > truth.Remaining && barred == still && time.Since(p.admitted[req.Key]) > time.Second:
		return fmt.Errorf("from memory: retry after %s, remaining %d, reset after %s, want no more than %s, %d, %s: %s",
			got.RetryAfter, got.Remaining, got.ResetAfter, truth.RetryAfter, truth.Remaining, truth.ResetAfter, at)
	}
	return nil
}
