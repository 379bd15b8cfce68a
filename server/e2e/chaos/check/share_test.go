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
				rule: Alone,
			},
		} {
			if b.rule == "" {
				b.rule = Shares
			}
			b.run, b.name = func() *made {
				m := byShares(l)
				m.share(0, most-20, s)
				return m
			}, []string{"bucket", "window", "fixed"}[l.Algorithm]+" "+b.name
			b.test(t)
		}
	}
	apart := func(back int64) *made { // server 2 has Redis again, after a while during which the others may think it gone
		m := byShares(windowLimit)
		m.End = begin + 12*s
		for _, at := range []int64{3400 * ms, 7400 * ms} {
			m.told(0, at)
			m.told(1, at)
		}
		m.told(2, back)
		m.share(0, 10, 8500*ms)
		m.share(1, 11, 8500*ms)
		return m
	}
	apart(7500*ms).requireOnly(t, Shares)
	apart(7501*ms).requireOnly(t, "")
	m := byShares(windowLimit)
	m.share(1, 1, s+500*ms)
	m.Begin += 3 * s // so that they may not know yet
	m.requireOnly(t, "")
}

// TestSharesOfAnotherShard shows that a server of a Cluster that has begun anew is not taken to know of the others because it
// reaches a shard where they are not counted, or where they are for a moment, or is refused there.
func TestSharesOfAnotherShard(t *testing.T) {
	t.Parallel()
	began := func(decided func(m *made)) *made {
		m := runOf(windowLimit)
		m.Servers, m.Shards, m.Policies[0].Local = 3, 3, true
		m.Begin -= 3 * s
		m.End = begin + 7*s
		m.Subjects = nil
		for shard, tag := range []string{"b", "c", "a"} { // a is in the third shard, b in the first
			if got := shardOf(tag, 3); got != shard {
				t.Fatalf("%s is in shard %d, want %d", tag, got, shard)
			}
			m.Subjects = append(m.Subjects, record.Subject{Tag: tag})
		}
		m.Faults = []record.Fault{{From: begin, To: begin + s, Anew: []int{2}, Shard: -1}}
		fleet := uint16(shardOf("~fleet", 3))
		for server := range uint8(2) {
			for at := range int64(7) {
				m.told(server, at*s)
				m.Checks[len(m.Checks)-1].Subject = fleet
			}
		}
		decided(m)
		m.share(0, 7, 5500*ms)
		m.share(1, 7, 5500*ms)
		m.share(2, 20, 5500*ms)
		return m
	}
	tells := func(shard int, allowed bool, at ...int64) func(m *made) {
		return func(m *made) {
			for _, at := range at {
				m.told(2, at)
				c := &m.Checks[len(m.Checks)-1]
				c.Subject, c.Allowed, c.Cost = uint16(shard), allowed, 0
			}
		}
	}
	fleet := shardOf("~fleet", 3)
	long := []int64{1100 * ms, 2 * s, 3 * s, 4 * s, 5 * s}
	began(tells(fleet, true, long...)).requireOnly(t, Shares)
	began(tells((fleet+1)%3, true, long...)).requireOnly(t, "")
	began(tells(fleet, false, long...)).requireOnly(t, "")
	began(tells(fleet, true, 1100*ms, 4*s, 4900*ms)).requireOnly(t, "")
}

// TestSharesLookedAt shows that what all servers admit together counts as looked at only where it was looked at.
func TestSharesLookedAt(t *testing.T) {
	t.Parallel()
	m := byShares(windowLimit)
	if r := Run(&m.Run); r.Looked[Shares] != 20 || r.Looked[Alone] != 20 {
		t.Errorf("looked at %d together and %d alone, want 20 and 20", r.Looked[Shares], r.Looked[Alone])
	}
	m.Begin += 3 * s // so that they may not know of each other
	if r := Run(&m.Run); r.Looked[Shares] != 0 || r.Looked[Alone] != 20 {
		t.Errorf("of servers that may not know of each other: looked at %d together and %d alone, want 0 and 20", r.Looked[Shares], r.Looked[Alone])
	}
}
