package model

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-project/sluice"
)

// question is a request together with what the model finds for it.
type question struct {
	req       sluice.Request
	limits    []sluice.Limit // those that hold for the key
	found     []holding      // for each limit, before the request takes anything
	rewritten bool           // some of it must be written whatever the answer is
	standing  standing       // as a look at its block finds it
	replaced  bool           // it must be written whatever the answer is; also where refusals were reported
}

func (m *Model) ask(req sluice.Request) *question {
	q := &question{req: req}
	q.standing = m.standing(IDOf(req))
	q.limits = q.standing.policy(req).Limits
	if _, q.replaced = q.standing.barredAt(req.At); q.replaced {
		q.standing, _ = q.standing.at(req.At)
	}
	if p := req.Policy.Penalty; p != nil {
		for n := int64(0); n < req.Refusals && n < p.After && !q.barred(); n++ { // by the last of these a block begins
			q.standing, q.replaced = q.standing.refused(*p, req.At), true
		}
	}
	q.found = make([]holding, len(q.limits))
	r := m.records[IDOf(req)]
	if r == nil {
		return q
	}
	for i, l := range q.limits {
		h, rewritten := read(r.holdings[l.Name()], l, q.now())
		q.found[i] = h
		q.rewritten = q.rewritten || rewritten
	}
	return q
}

func (q *question) now() int64 { return int64(q.req.At) }

// barred reports whether a block bars the key before the request is asked.
func (q *question) barred() bool {
	found, _ := q.standing.barredAt(q.req.At)
	return found.block != nil
}

// fits reports whether a decision says that all limits have room.
func (q *question) fits(d sluice.Decision) bool { return d.DeniedBy() == nil }

// charges reports whether the request takes anything once the limits have answered it.
func (q *question) charges(allowed bool) bool {
	return allowed && !q.barred() && !q.req.Peek && q.req.Cost > 0
}

// refunds reports whether the request gives something back: there must be something that is used. A block does not matter.
func (q *question) refunds() bool {
	return q.req.Refund > 0 && slices.ContainsFunc(q.found, func(h holding) bool { return used(h, q.now(), strict).Sign() > 0 })
}

// counts reports whether the request counts towards the penalty once the limits have answered it.
func (q *question) counts(allowed bool) bool {
	return !allowed && !q.barred() && !q.req.Peek && !q.req.Uncounted && q.req.Cost > 0 && q.req.Policy.Penalty != nil
}

// standingAfter returns the standing once the limits have answered the request, and whether it was written.
func (q *question) standingAfter(allowed bool) (st standing, written bool) {
	if q.counts(allowed) {
		return q.standing.refused(*q.req.Policy.Penalty, q.req.At), true
	}
	return q.standing, q.replaced
}

// block returns the block that the decision must carry, and for how long yet; nil for none.
func (q *question) block(allowed bool) (b *sluice.Block, left time.Duration) {
	st, _ := q.standingAfter(allowed)
	if st, _ = st.barredAt(q.req.At); st.block == nil {
		return nil, 0
	}
	return st.block, time.Duration(st.block.Until-q.req.At) * time.Microsecond
}

// after returns the holdings once the request has been answered.
func (q *question) after(allowed bool) []holding {
	if q.refunds() {
		after := make([]holding, len(q.found))
		for i, h := range q.found {
			if h != nil {
				after[i] = h.refunded(q.now(), int64(q.req.Refund))
			}
		}
		return after
	}
	if !q.charges(allowed) {
		return q.found
	}
	after := make([]holding, len(q.found))
	for i, l := range q.limits {
		if q.found[i] == nil {
			after[i] = place(l, q.now(), q.req.Cost)
		} else {
			after[i] = q.found[i].charged(q.now(), q.req.Cost)
		}
	}
	return after
}

// decision returns the answer by one view.
func (q *question) decision(v view) sluice.Decision {
	allowed := true
	for i, l := range q.limits {
		ok, _ := q.verdict(i, l, v)
		allowed = allowed && ok
	}
	req := q.req
	req.Policy = &sluice.Policy{Name: req.Policy.Name, Limits: q.limits}
	d := sluice.NewDecision(req)
	for _, o := range q.outcomes(allowed, v) {
		d.Add(o)
	}
	if b, left := q.block(allowed); b != nil {
		d.Bar(*b, left)
	}
	return d
}

// outcomes returns what each limit says where the whole policy answers so: whether it had room itself, and what is left
// of it afterwards.
func (q *question) outcomes(allowed bool, v view) []sluice.Outcome {
	all := make([]sluice.Outcome, len(q.found))
	after := q.after(allowed)
	for i, l := range q.limits {
		all[i].Allowed, all[i].RetryAfter = q.verdict(i, l, v)
		all[i].Remaining = remaining(after[i], l, q.now(), v)
		all[i].ResetAfter = resetAfter(after[i], q.now(), v)
	}
	return all
}

// verdict returns what limit number i says to the request: nobody who gives back is refused.
func (q *question) verdict(i int, l sluice.Limit, v view) (allowed bool, retryAfter time.Duration) {
	if q.req.Refund > 0 {
		return true, 0
	}
	return verdict(q.found[i], l, q.now(), q.req.Cost, v)
}

// choice reports whether the two views may differ.
func (q *question) choice(allowed bool) bool {
	return slices.ContainsFunc(q.after(allowed), func(h holding) bool {
		w, ok := h.(window)
		return ok && slices.ContainsFunc(w.log, func(a admission) bool { return a.slack > 0 })
	})
}

// judge returns every difference between a decision and what it should be.
func (q *question) judge(got sluice.Decision) error {
	limits := got.Limits()
	if len(limits) != len(q.limits) {
		return fmt.Errorf("it speaks of %d limits, want %d", len(limits), len(q.limits))
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	fits := q.fits(got)
	early := q.outcomes(fits, strict)
	tardy := early
	if q.choice(fits) {
		tardy = q.outcomes(fits, late)
	}
	for i, o := range limits {
		if o.Limit != q.limits[i] {
			fault("limit %d is %s %s, want %s", i, o.Limit.Name(), o.Limit, q.limits[i])
		}
		for _, problem := range differences(o.Outcome, early[i], tardy[i]) {
			fault("limit %s %s: %s", o.Limit.Name(), o.Limit, problem)
		}
	}

	allowed, remaining, retry, reset := true, limits[0].Remaining, time.Duration(0), time.Duration(0)
	for _, o := range limits {
		allowed = allowed && o.Allowed
		remaining = min(remaining, o.Remaining)
		retry = max(retry, o.RetryAfter)
		reset = max(reset, o.ResetAfter)
	}
	want, left := q.block(fits)
	b, barred := got.Blocked()
	switch {
	case want == nil && barred:
		fault("it is barred until %d (%s), want no block", b.Until, b.Reason)
	case want != nil && (!barred || b != *want):
		fault("barred %t: %+v, want %+v", barred, b, *want)
	}
	if want != nil {
		allowed, remaining, retry, reset = false, 0, max(retry, left), max(reset, left)
	}
	if got.Allowed != allowed || got.Remaining != remaining || got.RetryAfter != retry || got.ResetAfter != reset {
		fault("limits and block say allowed %t, remaining %d, retry after %d ns, reset after %d ns, the decision %t, %d, %d ns, %d ns",
			allowed, remaining, retry, reset, got.Allowed, got.Remaining, got.RetryAfter, got.ResetAfter)
	}
	if got.Source != sluice.SourceStore || got.Cost != q.req.Cost {
		fault("source %s, cost %d, want %s, %d", got.Source, got.Cost, sluice.SourceStore, q.req.Cost)
	}
	return errors.Join(faults...)
}

// differences names the fields of an outcome that are not between what the two views say. The views are equal where a
// store has no choice.
func differences(got, early, tardy sluice.Outcome) []string {
	var all []string
	if got.Allowed && !early.Allowed || !got.Allowed && tardy.Allowed {
		all = append(all, fmt.Sprintf("allowed %t, want %t", got.Allowed, !got.Allowed))
	}
	if got.Remaining > early.Remaining || got.Remaining < tardy.Remaining {
		all = append(all, fmt.Sprintf("remaining %d, want %s", got.Remaining, between(tardy.Remaining, early.Remaining)))
	}
	least := early.RetryAfter
	if !got.Allowed {
		least = max(least, time.Microsecond) // by the early view alone it may have been allowed
	}
	if got.Allowed && got.RetryAfter != 0 || !got.Allowed && (got.RetryAfter < least || got.RetryAfter > tardy.RetryAfter) {
		all = append(all, fmt.Sprintf("retry after %d ns, want %s", got.RetryAfter, between(least, tardy.RetryAfter)))
	}
	if got.ResetAfter < early.ResetAfter || got.ResetAfter > tardy.ResetAfter {
		all = append(all, fmt.Sprintf("reset after %d ns, want %s", got.ResetAfter, between(early.ResetAfter, tardy.ResetAfter)))
	}
	return all
}

func between[T int64 | time.Duration](least, most T) string {
	if least == most {
		return fmt.Sprintf("%d", least)
	}
	return fmt.Sprintf("%d to %d", least, most)
}
