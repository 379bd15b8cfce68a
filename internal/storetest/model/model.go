package model

import (
	"math"
	"time"

	"github.com/sluice-project/sluice"
)

// Model remembers what a store must remember. It forgets nothing by itself. It is for one goroutine at a time.
type Model struct {
	records   map[ID]*record
	standings map[ID]*standing // by IDs whose ResetAt is 0
}

// ID names what a store keeps together: the counters of all limits of a policy for one key. What was counted under
// another ResetAt is apart. ResetAt means nothing to the standing of a key.
type ID struct {
	Policy, Key string
	ResetAt     sluice.Tick
}

// IDOf returns the ID of what a request is decided by.
func IDOf(req sluice.Request) ID { return ID{req.Policy.Name, req.Key, req.Policy.ResetAt} }

// record is that state, by the names of the limits.
type record struct {
	holdings map[string]holding
	life     Life
}

// Life is how long the state of a key must be kept, counted from when it was last written.
type Life struct {
	// Written is the instant of that write.
	Written sluice.Tick
	// Least is the time after which the state means nothing: it must not be forgotten earlier.
	Least time.Duration
	// Most is the time after which it must be gone: Least in whole milliseconds, rounded up, and counted by the late
	// view where a store may choose.
	Most time.Duration
	// Forever says that it must stay, and Least and Most mean nothing.
	Forever bool
}

// End returns the first instant at which the state must be gone.
func (l Life) End() sluice.Tick {
	if l.Forever {
		return math.MaxInt64
	}
	return l.Written + sluice.Tick(l.Most/time.Microsecond)
}

// New returns a model in which no key has been seen.
func New() *Model { return &Model{records: make(map[ID]*record), standings: make(map[ID]*standing)} }

// Decide answers a request, which must say its instant, by the strict view.
func (m *Model) Decide(req sluice.Request) sluice.Decision {
	q := m.ask(req)
	d := q.decision(strict)
	m.write(q, q.fits(d))
	return d
}

// Judge compares what a store answered to a request, which must say its instant, with what it should have answered,
// and follows what it did. The error names every difference.
func (m *Model) Judge(req sluice.Request, got sluice.Decision) error {
	q := m.ask(req)
	err := q.judge(got)
	m.write(q, q.fits(got))
	return err
}

// Certain reports whether the model can follow a store in what the request does, where the clock has been as far as
// furthest. It cannot where a sliding window holds more than 64 admissions, or nearly so many, and its numbers have
// changed or the clock has stepped back to where a store that keeps units late may find something else than one that
// does not, or units are given back while one is late: no promise says what happens then.
func (m *Model) Certain(req sluice.Request, furthest sluice.Tick) bool {
	r := m.records[IDOf(req)]
	if r == nil {
		return true
	}
	req.Policy = m.standing(IDOf(req)).policy(req)
	if earliest := r.life.Written + sluice.Tick(r.life.Least/time.Microsecond); roundUp(r.life.Least) != r.life.Most &&
		earliest <= furthest && req.At < furthest {
		return false // a store that keeps no unit late may have forgotten it
	}
	for _, l := range req.Policy.Limits {
		w, ok := r.holdings[l.Name()].(window)
		if ok && (w.uncertain(l, int64(req.At)) || req.Refund > 0 && w.halfway(int64(req.At))) {
			return false
		}
	}
	return true
}

// Life returns how long the counters of a key must be kept, and whether there are any.
func (m *Model) Life(id ID) (Life, bool) {
	r := m.records[id]
	if r == nil {
		return Life{}, false
	}
	return r.life, true
}

// Forget drops the counters of a key.
func (m *Model) Forget(id ID) { delete(m.records, id) }

// write does to counters and standing what a store does that answered so.
func (m *Model) write(q *question, allowed bool) {
	if st, written := q.standingAfter(allowed); written {
		m.writeStanding(IDOf(q.req), st, q.req.At)
	}
	m.writeCounters(q, allowed)
}

func (m *Model) writeCounters(q *question, allowed bool) {
	if !q.charges(allowed) && !q.refunds() && !q.rewritten {
		return
	}
	r := &record{holdings: make(map[string]holding), life: Life{Written: q.req.At}}
	choice := q.choice(allowed)
	for i, h := range q.after(allowed) {
		if h != nil {
			h = h.advanced(q.now())
		}
		if h == nil {
			continue
		}
		r.holdings[q.limits[i].Name()] = h
		least := resetAfter(h, q.now(), strict)
		most := least
		if choice {
			most = resetAfter(h, q.now(), late)
		}
		r.life.Least, r.life.Most = max(r.life.Least, least), max(r.life.Most, roundUp(most))
	}
	id := IDOf(q.req)
	if len(r.holdings) == 0 {
		delete(m.records, id)
		return
	}
	m.records[id] = r
}

// roundUp returns a time in whole milliseconds.
func roundUp(d time.Duration) time.Duration {
	return (d + time.Millisecond - 1) / time.Millisecond * time.Millisecond
}
