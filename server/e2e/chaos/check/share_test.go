package check

import (
	"testing"

	"github.com/sluice-project/sluice/server/e2e/chaos/record"
)

// byShares is a run of three servers that have Redis for a second and then none, in which each admits its share of twenty.
func byShares(l record.Limit) *made {
	m := runOf(l)
	m.Servers, m.Policies[0].Local = 3, true
	m.Begin -= 3 * s // so that they know of each other
	for server := range uint8(3) {
		m.told(server, 500*ms)
		m.share(server, int(7-server/2), s)
	}
	return m
}

// told adds an answer of Redis's.
func (m *made) told(server uint8, at int64) {
	m.asks(1, at, 0, true, record.Unknown)[0].Server = server
}

// share adds units that a server admits by its share.
func (m *made) share(server uint8, n int, at int64) {
	checks := m.lets(n, at)
	for i := range checks {
		checks[i].Server, checks[i].Source = server, record.Fallback
	}
}

func TestShares(t *testing.T) {
	t.Parallel()
	for _, l := range []record.Limit{windowLimit, fixedLimit} {
		most := 20
		if l.Algorithm == record.FixedWindow {
			most = 39
		}
		for _, b := range []bad{
			{
				name: "one unit too many", last: func(m *made) { m.share(1, 1, s+500*ms) },
				near: []func(*made){
					func(m *made) { m.share(1, 1, 2*s) },
					func(m *made) { // the server was killed, and has not heard of the others yet
						m.Faults = append(m.Faults, record.Fault{From: begin + s + 400*ms, To: begin + s + 450*ms, Anew: []int{1}})
						m.share(1, 20, s+500*ms)
					},
				},
			},
			{
				name: "another server was killed",
				last: func(m *made) {
					m.Faults = append(m.Faults, record.Fault{From: begin + s + 400*ms, To: begin + s + 450*ms, Anew: []int{2}})
					m.share(1, 7, s+500*ms)
				},
			},
			{
				name: "more than all of it by one that knows of no other",
				last: func(m *made) {
					m.Faults = append(m.Faults, record.Fault{From: begin + s + 400*ms, To: begin + s + 450*ms, Anew: []int{1}})
					m.share(1, most+1, s+500*ms)
				},
			},
		} {
			b.run, b.rule, b.name = func() *made {
				m := byShares(l)
				m.share(0, most-20, s)
				return m
			}, Shares, []string{"bucket", "window", "fixed"}[l.Algorithm]+" "+b.name
			b.test(t)
		}
	}
	apart := func(back int64) *made { // server 2 has Redis again, after a while during which the others may think it gone
		m := byShares(windowLimit)
		m.End = begin + 6*s
		m.told(0, 3400*ms)
		m.told(1, 3400*ms)
		m.told(2, back)
		m.share(0, 10, 4500*ms)
		m.share(1, 11, 4500*ms)
		return m
	}
	apart(3400*ms).requireOnly(t, Shares)
	apart(3600*ms).requireOnly(t, "")
	m := byShares(windowLimit)
	m.share(1, 1, s+500*ms)
	m.Begin += 3 * s // so that they may not know yet
	m.requireOnly(t, "")
}
