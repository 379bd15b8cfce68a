package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-project/sluice/server/e2e/chaos/record"
)

const (
	ms    = int64(1e6)
	s     = int64(1e9)
	begin = 1_800_000_000 * s
)

var (
	bucketLimit  = record.Limit{Algorithm: record.TokenBucket, Count: 10, Period: s, Burst: 20}
	windowLimit  = record.Limit{Algorithm: record.SlidingWindow, Count: 20, Period: s}
	fixedLimit   = record.Limit{Algorithm: record.FixedWindow, Count: 20, Period: s}
	alignedLimit = record.Limit{Algorithm: record.AlignedWindow, Count: 20, Period: s}
	counterLimit = record.Limit{Algorithm: record.SlidingCounter, Count: 20, Period: s}
)

// made is a record that is made by hand: of one key, by one server.
type made struct{ record.Run }

func runOf(limits ...record.Limit) *made {
	return &made{record.Run{
		Begin: begin, Mended: begin + 1000*s, End: begin + 2000*s, Deadline: 100 * ms, Servers: 1, Shards: 1,
		Policies: []record.Policy{{Name: "p", Limits: limits}}, Subjects: []record.Subject{{Policy: 0, Key: "k", Tag: "p|k"}},
	}}
}

// asks adds n checks of a cost that the store has decided, asked at an instant after the beginning; each took a
// millisecond. It returns them, to be changed.
func (m *made) asks(n int, at int64, cost uint16, allowed bool, left int32) []record.Check {
	for range n {
		m.Checks = append(m.Checks, record.Check{
			Asked: begin + at, Took: ms, Cost: cost, Allowed: allowed, Remaining: left, Source: record.Store,
		})
	}
	return m.Checks[len(m.Checks)-n:]
}

func (m *made) lets(n int, at int64) []record.Check { return m.asks(n, at, 1, true, record.Unknown) }

// requireOnly sees that a rule is violated and no other, or where it is "" that none is.
func (m *made) requireOnly(t *testing.T, rule string) {
	t.Helper()
	r := Run(&m.Run)
	for _, v := range r.Violations {
		if v.Rule != rule {
			t.Errorf("the checker sees what is not there: %s", v)
		}
	}
	if rule != "" && r.Found[rule] == 0 {
		t.Errorf("the checker does not see that %q is violated", rule)
	}
}

// requireText sees that the evidence has a text in it.
func (m *made) requireText(t *testing.T, text string) {
	t.Helper()
	r := Run(&m.Run)
	if !slices.ContainsFunc(r.Violations, func(v Violation) bool { return strings.Contains(v.Text, text) }) {
		t.Errorf("no violation says %q: %v", text, r.Violations)
	}
}

// case is a record with one thing too many, which is added by last.
type bad struct {
	name string
	rule string
	run  func() *made  // what may be
	last func(m *made) // and what may not
	near []func(*made) // what may be instead
	text string        // that the evidence names
}

func (b bad) test(t *testing.T) {
	t.Helper()
	t.Run(b.name, func(t *testing.T) {
		t.Parallel()
		b.run().requireOnly(t, "")
		m := b.run()
		b.last(m)
		m.requireOnly(t, b.rule)
		if b.text != "" {
			m.requireText(t, b.text)
		}
		for _, near := range b.near {
			m := b.run()
			near(m)
			m.requireOnly(t, "")
		}
	})
}

func TestBound(t *testing.T) {
	t.Parallel()
	full := func(l record.Limit, n int) func() *made {
		return func() *made {
			m := runOf(l)
			m.lets(n, 0)
			return m
		}
	}
	more := func(at int64) func(*made) { return func(m *made) { m.lets(1, at) } }
	// uncounted is one unit more that does not count.
	uncounted := []func(*made){
		func(m *made) { m.lets(1, 1)[0].Source = record.ErrorPolicy },
		func(m *made) { m.lets(1, 1)[0].Source, m.Policies[0].Local = record.Fallback, true },
		func(m *made) { m.lets(1, 1)[0].Allowed = false },
		func(m *made) {
			c := m.lets(1, 1)
			c[0].Ending, c[0].Source, c[0].Allowed, c[0].Door = record.Failed, record.None, false, record.Throttle
		},
	}
	for _, b := range []bad{
		{name: "bucket", run: full(bucketLimit, 20), last: more(98 * ms), near: append(uncounted, more(99*ms)), text: "21 units in the 0.099000 s from 0.000000 s"},
		{name: "window", run: full(windowLimit, 20), last: more(998 * ms), near: append(uncounted, more(999*ms), more(s))},
		{name: "fixed", run: full(fixedLimit, 39), last: more(998 * ms), near: append(uncounted, more(999*ms))},
		{name: "aligned", run: full(alignedLimit, 20), last: more(998 * ms), near: append(uncounted, more(999*ms), more(s))},
		{name: "counter", run: full(counterLimit, 20), last: more(998 * ms), near: append(uncounted, more(999*ms), more(s))},
		{
			name: "bucket in the long run", last: more(5 * s),
			run: func() *made {
				m := runOf(bucketLimit)
				m.lets(20, 0)
				for i := range int64(50) {
					m.lets(1, (i+1)*100*ms)
				}
				return m
			},
		},
		{
			name: "a lease", run: full(bucketLimit, 20),
			last: func(m *made) { m.lets(1, 1)[0].Source = record.Lease },
		},
		{
			name: "the second limit",
			run: func() *made {
				m := runOf(record.Limit{Algorithm: record.TokenBucket, Count: 1000, Period: s, Burst: 1000}, windowLimit)
				m.lets(20, 0)
				return m
			},
			last: more(500 * ms),
		},
	} {
		b.rule = Bound
		b.test(t)
	}
}

// TestForgotten shows that what Redis forgets begins anew, and nothing else does.
func TestForgotten(t *testing.T) {
	t.Parallel()
	full := func(shard int, from, to int64) *made {
		m := runOf(bucketLimit)
		m.Shards = 3
		m.Faults = []record.Fault{{From: begin + from, To: begin + to, Forgets: true, ForgetFrom: begin + from, ForgetTo: begin + to, Shard: shard}}
		m.lets(20, 0)
		m.lets(20, 20*ms)
		return m
	}
	shard := shardOf("p|k", 3)
	full(shard, 5*ms, 10*ms).requireOnly(t, "")
	full(-1, 5*ms, 10*ms).requireOnly(t, "")
	full((shard+1)%3, 5*ms, 10*ms).requireOnly(t, Bound)
	full(shard, 30*ms, 31*ms).requireOnly(t, Bound)
	m := full(shard, 5*ms, 10*ms)
	m.lets(1, 25*ms) // the second time, too, it is no more
	m.requireOnly(t, Bound)
	m = full(shard, 5*ms, 10*ms)
	m.lets(1, 9*ms) // which may have been before or after
	m.requireOnly(t, "")
}

// TestForgottenLoan shows that what was lent before Redis forgot may be spent for as long as a loan goes on.
func TestForgottenLoan(t *testing.T) {
	t.Parallel()
	for _, lent := range []bool{false, true} {
		m := runOf(bucketLimit)
		m.Policies[0].Lent = lent
		m.Faults = []record.Fault{{From: begin, To: begin, Forgets: true, ForgetFrom: begin, ForgetTo: begin, Shard: -1}}
		loaned := m.lets(5, ms)
		for i := range loaned {
			loaned[i].Source = record.Lease
		}
		m.lets(20, 2*ms)
		rule := map[bool]string{false: Bound, true: ""}[lent]
		m.requireOnly(t, rule)
		m.Checks = nil
		m.lets(21, 1001*ms)
		m.requireOnly(t, Bound)
	}
}

// TestSlots compares with slots that Redis's documentation and its CLUSTER KEYSLOT give.
func TestSlots(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]uint16{"123456789": 0x31C3, "": 0} {
		if got := crc16(key); got != want {
			t.Errorf("crc16(%q) = %#x, want %#x", key, got, want)
		}
	}
	if got := shardOf("foo", 3); got != 2 { // slot 12182
		t.Errorf("shardOf(foo, 3) = %d, want 2", got)
	}
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	// used has a unit taken and a refusal of more than there is, which takes nothing.
	used := func(l record.Limit) func() *made {
		return func() *made {
			m := runOf(l)
			m.asks(1, 0, 15, true, 5)
			m.asks(1, 10*ms, 6, false, 5)
			return m
		}
	}
	uncertain := func(m *made) {
		m.asks(1, 15*ms, 5, true, record.Unknown)[0].Source = record.ErrorPolicy
		m.asks(1, 20*ms, 1, false, 0)
	}
	for _, l := range []record.Limit{bucketLimit, windowLimit, fixedLimit, alignedLimit, counterLimit} {
		for _, b := range []bad{
			{
				name: "refused", run: used(l),
				last: func(m *made) { m.asks(1, 20*ms, 5, false, record.Unknown) },
				near: []func(*made){uncertain, func(m *made) { m.asks(1, 20*ms, 6, false, 5) }, func(m *made) {
					c := m.asks(1, 15*ms, 3, false, record.Unknown) // it was let through, but nobody has heard of it
					c[0].Ending, c[0].Source, c[0].Door = record.Failed, record.None, record.Throttle
					m.asks(1, 20*ms, 5, false, 2)
				}},
			},
			{
				name: "less is left after a refusal", run: used(l),
				last: func(m *made) { m.asks(1, 20*ms, 6, false, 4) },
				near: []func(*made){func(m *made) { m.asks(1, 20*ms, 6, false, 5) }},
			},
			{
				name: "less is left than was taken", run: used(l),
				last: func(m *made) { m.asks(1, 20*ms, 2, true, 2) },
				near: []func(*made){
					func(m *made) { m.asks(1, 20*ms, 2, true, 3) },
					func(m *made) { // together with another
						m.asks(1, 20*ms, 2, true, 1)
						m.asks(1, 20*ms, 2, true, 3)
					},
				},
			},
		} {
			b.rule, b.name = Refusal, []string{"bucket", "window", "fixed", "aligned", "counter"}[l.Algorithm]+" "+b.name
			b.test(t)
		}
	}
}

// TestRefusalLater shows that after a question without a decision the checker begins to know again.
func TestRefusalLater(t *testing.T) {
	t.Parallel()
	for _, l := range []record.Limit{bucketLimit, windowLimit, fixedLimit, alignedLimit, counterLimit} {
		unknown := func() *made {
			m := runOf(l)
			m.asks(1, 0, 20, true, record.Unknown)[0].Source = record.ErrorPolicy
			return m
		}
		m := unknown()
		m.asks(1, s, 1, false, 0)
		m.requireOnly(t, "")
		m = unknown()
		m.asks(1, 6*s, 1, false, 0)
		m.requireOnly(t, Refusal)
		m = unknown()
		m.Faults = []record.Fault{{From: begin, To: begin + 5*s, Shard: -1}} // during which it may have been held
		m.asks(1, 6*s, 1, false, 0)
		m.requireOnly(t, "")
	}
	m := runOf(bucketLimit) // a bucket earns no more than there is room for
	m.asks(1, 0, 20, true, 0)
	m.asks(1, 1500*ms, 16, false, 15)
	m.requireOnly(t, "")
	m.asks(1, 1501*ms, 14, false, 15)
	m.requireOnly(t, Refusal)
	lent := runOf(bucketLimit)
	lent.Policies[0].Lent = true
	lent.asks(1, 0, 1, false, 0)
	lent.requireOnly(t, "")
	cached := runOf(bucketLimit)
	cached.asks(1, 0, 1, false, record.Unknown)[0].Source = record.DenyCache
	cached.requireOnly(t, "")
}

// TestRefusalLooked shows that only those checks count as looked at that could have been a violation.
func TestRefusalLooked(t *testing.T) {
	t.Parallel()
	for _, l := range []record.Limit{bucketLimit, windowLimit, fixedLimit, alignedLimit, counterLimit} {
		for _, test := range []struct {
			name string
			add  func(m *made)
			want int
		}{
			{"admitted", func(m *made) { m.asks(1, 0, 1, true, 19) }, 1},
			{"admitted, and nothing is said of what is left", func(m *made) { m.asks(1, 0, 1, true, record.Unknown) }, 1},
			{"refused, though some is left", func(m *made) { m.asks(1, 0, 21, false, 20) }, 1},
			{"refused, and nothing is said of what is left", func(m *made) { m.asks(1, 0, 21, false, record.Unknown) }, 0},
			{"refused, because all is taken", func(m *made) {
				m.asks(1, 0, 20, true, 0)
				m.asks(1, 20*ms, 1, false, 0)
			}, 1},
			{"after a question without a decision", func(m *made) {
				m.asks(1, 0, 20, true, record.Unknown)[0].Source = record.ErrorPolicy
				m.asks(1, s, 1, false, 0)
				m.asks(1, 2001*ms+clockSlack, 1, false, 0)
				m.asks(1, 7*s, 1, true, 19)
			}, 1},
		} {
			m := runOf(l)
			test.add(m)
			m.requireOnly(t, "")
			if r := Run(&m.Run); r.Looked[Refusal] != test.want {
				t.Errorf("limit %v, %s: looked at %d, want %d", l, test.name, r.Looked[Refusal], test.want)
			}
		}
	}
}

func TestInTime(t *testing.T) {
	t.Parallel()
	late := func(took int64) *made {
		m := runOf(bucketLimit)
		m.lets(1, s)[0].Took = took
		return m
	}
	late(150*ms).requireOnly(t, "")
	late(151*ms).requireOnly(t, InTime)                          // on a machine that did not stand still
	wakes := record.Ping{Asked: begin + s + 10*ms, Took: 4 * ms} // a server, or those who ask
	for _, stood := range []func(m *made){
		func(m *made) { m.Pings = []record.Ping{wakes} },
		func(m *made) { m.Late = []record.Ping{wakes} },
	} {
		for took, excused := range map[int64]int{150 * ms: 0, 151 * ms: 1, 258 * ms: 1} {
			m := late(took)
			stood(m)
			m.requireOnly(t, "")
			if r := Run(&m.Run); r.Excused != excused {
				t.Errorf("a check that took %d: %d excused, want %d", took, r.Excused, excused)
			}
		}
		m := late(259 * ms)
		stood(m)
		m.requireOnly(t, InTime)
		m = late(151 * ms)
		stood(m)
		m.Checks[0].Asked = begin + 2*s // when it was over
		m.requireOnly(t, InTime)
	}
	m := late(151 * ms) // another server stood still
	m.Servers, m.Pings = 2, []record.Ping{{Server: 1, Asked: begin + s, Took: 100 * ms}}
	m.requireOnly(t, InTime)

	for _, test := range []struct {
		ping record.Ping
		rule string
	}{
		{record.Ping{Asked: begin + s, Took: 200 * ms}, ""},
		{record.Ping{Asked: begin + s, Took: 100 * ms}, InTime},
		{record.Ping{Asked: begin + s/2, Took: 200 * ms}, InTime},
		{record.Ping{Asked: begin + s/2, Took: 600 * ms}, InTime}, // of which 100 ms
	} {
		m := late(500 * ms)
		m.Pings = []record.Ping{test.ping}
		m.requireOnly(t, test.rule)
		m.Pings[0].Server = 1
		m.Servers = 2
		m.requireOnly(t, InTime)
	}
	m = late(500 * ms)
	m.Late = []record.Ping{{Asked: begin + s, Took: 200 * ms}}
	m.requireOnly(t, "")
	if r := Run(&m.Run); r.Excused != 1 || r.Worst.Took != 500*ms {
		t.Errorf("%d excused, the worst %d, want one of 500 ms", r.Excused, r.Worst.Took)
	}

	hangs := func() *made { // a server that answers nobody, those who ask whether it is alive neither
		m := late(2 * s)
		m.Checks[0].Ending, m.Checks[0].Source, m.Checks[0].Allowed = record.Silent, record.None, false
		m.Pings = []record.Ping{{Asked: begin + s, Took: 10 * s}}
		return m
	}
	hangs().requireOnly(t, InTime)
	m = hangs()
	m.Late = []record.Ping{{Asked: begin + s, Took: 2 * s}} // nor did those who asked run
	m.requireOnly(t, "")

	for _, ending := range []record.Ending{record.Refused, record.Broken, record.Silent} {
		dead := func(from, to int64) *made {
			m := late(300 * ms)
			m.Checks[0].Ending, m.Checks[0].Source, m.Checks[0].Allowed = ending, record.None, false
			m.Faults = []record.Fault{{From: begin + from, To: begin + to, Servers: []int{0}, Shard: -1}}
			return m
		}
		dead(2*s, 3*s).requireOnly(t, InTime)
		dead(s/2, 3*s).requireOnly(t, "")
		m := dead(s/2, 3*s)
		m.Faults[0].Servers = []int{1}
		m.requireOnly(t, InTime)
	}
}

func TestOnError(t *testing.T) {
	t.Parallel()
	for _, deny := range []bool{false, true} {
		m := runOf(bucketLimit)
		m.Policies[0].Deny = deny
		c := m.lets(1, s)
		c[0].Source, c[0].Allowed = record.ErrorPolicy, !deny
		m.requireOnly(t, "")
		c[0].Allowed = deny
		m.requireOnly(t, OnError)
	}
	m := runOf(bucketLimit)
	c := m.lets(1, s)
	c[0].Source, c[0].Ending, c[0].Allowed = record.None, record.Failed, false
	m.requireOnly(t, OnError)
	c[0].Door = record.Throttle
	m.requireOnly(t, "")
	for source, local := range map[record.Source]bool{record.ErrorPolicy: false, record.Fallback: true} {
		m := runOf(bucketLimit)
		m.lets(1, s)[0].Source = source
		m.Policies[0].Local = local
		m.requireOnly(t, "")
		m.Policies[0].Local = !local
		m.requireOnly(t, OnError)
	}
}

func TestBack(t *testing.T) {
	t.Parallel()
	for source, rule := range map[record.Source]string{record.Store: "", record.Lease: "", record.DenyCache: "", record.ErrorPolicy: Back, record.Fallback: Back} {
		m := runOf(bucketLimit)
		m.lets(1, 1004*s)[0].Source = source
		m.Policies[0].Local = source == record.Fallback
		m.requireOnly(t, rule)
		m.Checks[0].Asked = begin + 1002*s
		m.requireOnly(t, "")
	}
	stood := func(took int64) *made { // a machine that stood still a while before
		m := runOf(bucketLimit)
		m.lets(1, 1004*s)[0].Source = record.ErrorPolicy
		m.Pings = []record.Ping{{Asked: begin + 1002*s, Took: took}}
		return m
	}
	stood(99*ms).requireOnly(t, Back)
	stood(100*ms).requireOnly(t, "")
	if r := Run(&stood(100 * ms).Run); r.Looked[Back] != 0 || r.Stood != 1 {
		t.Errorf("looked at %d, and the machine stood still before %d, want 0 and 1", r.Looked[Back], r.Stood)
	}
	late := func(took int64) *made { // a check that has waited for the store in vain
		m := stood(took)
		m.Checks[0].Took = 101 * ms
		return m
	}
	late(24*ms).requireOnly(t, Back)
	late(25*ms).requireOnly(t, "")
}
