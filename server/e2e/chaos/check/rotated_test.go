package check

import (
	"testing"

	"github.com/sluice-project/sluice/server/e2e/chaos/record"
)

// rotation is a record of a certificate and a token that were rotated as they should be: the new ones were written after 10 s,
// the old token was taken out after 20, and each was looked at in time and after.
func rotation() *made {
	m := runOf(bucketLimit)
	m.Secrets = []record.Secret{
		{Kind: record.Certificate, Number: 0, To: begin + 10*s},
		{Kind: record.Certificate, Number: 1, From: begin + 10*s},
		{Kind: record.Token, Number: 0, To: begin + 20*s},
		{Kind: record.Token, Number: 1, From: begin + 10*s},
	}
	for _, way := range record.Ways {
		m.shows(record.Certificate, 0, way, 11150*ms, true) // as late as may be
		m.shows(record.Certificate, 1, way, 11151*ms, true)
		m.shows(record.Token, 1, way, 11150*ms, false)
		m.shows(record.Token, 1, way, 11151*ms, true)
		m.shows(record.Token, 0, way, 21150*ms, true)
		m.shows(record.Token, 0, way, 21151*ms, false)
	}
	m.shows(record.Token, 0, record.Held, 21151*ms, false)
	return m
}

func (m *made) shows(kind string, number int, way string, at int64, counts bool) {
	m.Shown = append(m.Shown, record.Shown{Kind: kind, Number: number, Way: way, Asked: begin + at, Took: ms, Counts: counts})
}

// without takes out what was seen of a secret on a way.
func (m *made) without(kind string, number int, way string) {
	var kept []record.Shown
	for _, one := range m.Shown {
		if one.Kind != kind || one.Number != number || one.Way != way {
			kept = append(kept, one)
		}
	}
	m.Shown = kept
}

func TestRotated(t *testing.T) {
	t.Parallel()
	var all []bad
	for _, way := range record.Ways {
		all = append(all, []bad{
			{
				name: way + " goes on with the old certificate", text: "certificate 0 counts at 11.151000 s, 1.151000 s after it was taken out",
				last: func(m *made) { m.shows(record.Certificate, 0, way, 11151*ms, true) },
			},
			{
				name: way + " does not let the new token in", text: "token 1 does not count at 11.151000 s, 1.151000 s after it was written",
				last: func(m *made) { m.shows(record.Token, 1, way, 11151*ms, false) },
				near: []func(*made){func(m *made) { m.shows(record.Token, 1, way, 11150*ms, false) }},
			},
			{
				name: way + " lets the old token in", text: "token 0 counts at 21.151000 s",
				last: func(m *made) { m.shows(record.Token, 0, way, 21151*ms, true) },
				near: []func(*made){func(m *made) { m.shows(record.Token, 0, way, 21150*ms, true) }},
			},
			{
				name: way + " does not let the old token in while it counts", text: "token 0 does not count at 15.000000 s",
				last: func(m *made) { m.shows(record.Token, 0, way, 15*s, false) },
				near: []func(*made){func(m *made) { m.shows(record.Token, 0, way, 20*s-ms, false) }}, // it was answered when it was taken out
			},
			{
				name: way + " was not asked for its certificate", text: "nobody has seen that certificate 1 counts",
				last: func(m *made) {
					m.without(record.Certificate, 1, way)
					m.without(record.Certificate, 0, way)
					m.shows(record.Certificate, 1, way, 11*s, true) // which is too early to tell
				},
				near: []func(*made){func(m *made) {
					m.without(record.Certificate, 1, way)
					m.without(record.Certificate, 0, way)
					m.shows(record.Certificate, 1, way, 11*s+ms, true)
				}},
			},
			{
				name: way + " was not shown the old token", text: "nobody has seen that token 0 does not count any more",
				last: func(m *made) { m.without(record.Token, 0, way) },
			},
			{
				name: way + " was not shown the new token", text: "nobody has seen that token 1 counts",
				last: func(m *made) { m.without(record.Token, 1, way) },
			},
		}...)
	}
	all = append(all, []bad{
		{
			name: "a connection goes on with the old token", text: record.Held,
			last: func(m *made) { m.shows(record.Token, 0, record.Held, 21151*ms, true) },
		},
		{
			name: "nobody has held a connection", text: record.Held,
			last: func(m *made) { m.without(record.Token, 0, record.Held) },
		},
		{
			name: "a certificate of nobody", text: "certificate 7, which there is not",
			last: func(m *made) { m.shows(record.Certificate, 7, record.Ways[0], 11*s, true) },
		},
	}...)
	for _, b := range all {
		b.rule, b.run = Rotated, rotation
		b.test(t)
	}
}

// TestRotatedLate shows that a server may be late by twice the longest time that the machine stood still.
func TestRotatedLate(t *testing.T) {
	t.Parallel()
	late := func(at int64) *made {
		m := rotation()
		for _, at := range []int64{20100, 20500, 20800} {
			m.Pings = append(m.Pings, record.Ping{Asked: begin + at*ms, Took: 200 * ms})
		}
		m.shows(record.Token, 0, record.Held, at, true)
		return m
	}
	late(21550*ms).requireOnly(t, "")
	late(21551*ms).requireOnly(t, Rotated)
}

// TestDenied shows that nobody is denied by any door, CL.THROTTLE's among them.
func TestDenied(t *testing.T) {
	t.Parallel()
	for door := range record.Doors {
		m := rotation()
		c := m.lets(1, 15*s)
		c[0].Source, c[0].Ending, c[0].Allowed, c[0].Door = record.None, record.Denied, false, door
		m.requireOnly(t, Rotated)
		m.requireText(t, door.String()+" of server 0 at 15.000000 s was denied")
	}
}
