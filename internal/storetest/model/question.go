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
	found     []holding // for each limit of the policy, before the request takes anything
	rewritten bool      // some of it must be written whatever the answer is
}

func (m *Model) ask(req sluice.Request) *question {
	q := &question{req: req, found: make([]holding, len(req.Policy.Limits))}
	r := m.records[ID{req.Policy.Name, req.Key}]
	if r == nil {
		return q
	}
	for i, l := range req.Policy.Limits {
		h, rewritten := read(r.holdings[l.Name()], l, q.now())
		q.found[i] = h
		q.rewritten = q.rewritten || rewritten
	}
	return q
}

func (q *question) now() int64 { return int64(q.req.At) }

// charges reports whether the request takes anything once it has been answered.
func (q *question) charges(allowed bool) bool { return allowed && !q.req.Peek && q.req.Cost > 0 }

// after returns the holdings once the request has been answered.
func (q *question) after(allowed bool) []holding {
	if !q.charges(allowed) {
		return q.found
	}
	after := make([]holding, len(q.found))
	for i, l := range q.req.Policy.Limits {
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
	for i, l := range q.req.Policy.Limits {
		ok, _ := verdict(q.found[i], l, q.now(), q.req.Cost, v)
		allowed = allowed && ok
	}
	d := sluice.NewDecision(q.req)
	for _, o := range q.outcomes(allowed, v) {
		d.Add(o)
	}
	return d
}

// outcomes returns what each limit says where the whole policy answers so: whether it had room itself, and what is left
// of it afterwards.
func (q *question) outcomes(allowed bool, v view) []sluice.Outcome {
	all := make([]sluice.Outcome, len(q.found))
	after := q.after(allowed)
	for i, l := range q.req.Policy.Limits {
		all[i].Allowed, all[i].RetryAfter = verdict(q.found[i], l, q.now(), q.req.Cost, v)
		all[i].Remaining = remaining(after[i], l, q.now(), v)
		all[i].ResetAfter = resetAfter(after[i], q.now(), v)
	}
	return all
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
	if len(limits) != len(q.req.Policy.Limits) {
		return fmt.Errorf("it speaks of %d limits, want %d", len(limits), len(q.req.Policy.Limits))
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	early := q.outcomes(got.Allowed, strict)
	tardy := early
	if q.choice(got.Allowed) {
		tardy = q.outcomes(got.Allowed, late)
	}
	for i, o := range limits {
		if o.Limit != q.req.Policy.Limits[i] {
			fault("limit %d is %s %s, want %s", i, o.Limit.Name(), o.Limit, q.req.Policy.Limits[i])
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
	if got.Allowed != allowed || got.Remaining != remaining || got.RetryAfter != retry || got.ResetAfter != reset {
		fault("the limits say allowed %t, remaining %d, retry after %d ns, reset after %d ns, the decision %t, %d, %d ns, %d ns",
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
