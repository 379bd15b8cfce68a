package check

import (
	"testing"

	"github.com/sluice-project/sluice/server/e2e/chaos/record"
)

func TestTicks(t *testing.T) {
	t.Parallel()
	// read is a reading of ticks that were due so many seconds after the beginning, the newest first.
	read := func(at int64, due ...int64) record.Reading {
		r := record.Reading{At: begin + at*s, Schedule: "up"}
		for _, d := range due {
			r.Ticks = append(r.Ticks, record.Tick{Due: begin + d*s, At: begin + d*s + ms, By: "a", To: ""})
		}
		return r
	}
	good := func() *made {
		m := runOf(bucketLimit)
		m.Readings = []record.Reading{read(3, 3, 2, 1), read(5, 5, 4, 3, 2, 1)}
		m.Readings[1].Final = true
		return m
	}
	for _, b := range []bad{
		{name: "twice", last: func(m *made) { m.Readings[0] = read(3, 3, 3, 2, 1) }},
		{name: "twice, one of which is gone", last: func(m *made) { m.Readings[1].Ticks[3].At += 5 * ms }},
		{name: "left out", last: func(m *made) { m.Readings[0] = read(3, 3, 1) }},
		{name: "too early", last: func(m *made) {
			for i := range m.Readings {
				m.Readings[i].Ticks[0].At -= 2 * ms
			}
		}},
		{name: "failed", last: func(m *made) { m.Readings[1].Ticks[0].Error = "no" }},
		{name: "at the end nothing", last: func(m *made) { m.Readings[1].Ticks = nil }},
		{name: "at the end behind", last: func(m *made) { m.Readings[1].At += 6 * s }},
		{name: "done twice", last: func(m *made) { m.Readings[1].Ticks[0].To, m.Readings[1].Ticks[1].To = "12/h", "10/h" }},
		{name: "done more often than told", last: func(m *made) { m.Readings[1].Ticks[0].To, m.Readings[1].Limit = "12/h", 17 }},
	} {
		b.rule, b.run = Ticks, good
		b.test(t)
	}
	m := good() // what was forgotten is done again
	m.Readings[1].Ticks[3].At += 5 * ms
	m.Faults = []record.Fault{{Forgets: true, ForgetFrom: begin + 4*s, ForgetTo: begin + 4*s, From: begin + 4*s, To: begin + 4*s, Shard: -1}}
	m.requireOnly(t, "")
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		left record.Left
		rule string
	}{
		{record.Left{Key: "sluice:{p|k}", TTL: 500}, ""},
		{record.Left{Key: "sluice:{p|k}", TTL: -1}, Expiry},
		{record.Left{Key: "sluice:{p|k}", TTL: 5_000}, ""}, // twice ten units of a second with a burst of twenty
		{record.Left{Key: "sluice:{p|k}", TTL: 5_001}, Expiry},
		{record.Left{Key: "sluice:{~p|k}", TTL: 5_001}, Expiry},
		{record.Left{Key: "sluice:{lent|k}", TTL: 6_000}, ""}, // a loan of a second, and then as all others
		{record.Left{Key: "sluice:{lent|k}", TTL: 6_001}, Expiry},
		{record.Left{Key: "sluice:{~envoy.second|chaos|envoy.window=k0}", TTL: 3_000}, ""},
		{record.Left{Key: "sluice:{~envoy.second|chaos|envoy.window=k0}", TTL: 3_001}, Expiry},
		{record.Left{Key: "sluice:{~envoy.second|chaos|envoy.bucket=k0}", TTL: 5_000}, ""},
		{record.Left{Key: "sluice:{~envoy.second|chaos|envoy.bucket=k0}", TTL: 5_001}, Expiry},
		{record.Left{Key: "sluice:{~probe|probe}", TTL: 2_000}, ""},
		{record.Left{Key: "sluice:{~probe|probe}", TTL: 2_001}, Expiry},
		{record.Left{Key: "sluice:{other|k}!", TTL: 60_000}, ""}, // of a policy that is not asked about
		{record.Left{Key: "sluice:{other|k}!", TTL: 60_001}, Expiry},
		{record.Left{Key: "sluice:{~fleet}entries", TTL: -1}, ""},
		{record.Left{Key: "sluice:{~overrides|p}keys", TTL: 3_700_000}, ""},
		{record.Left{Key: "sluice:{~overrides|p}keys", TTL: -1}, Expiry},
	} {
		m := runOf(bucketLimit)
		m.Policies = append(m.Policies, record.Policy{Name: "lent", Limits: m.Policies[0].Limits, Lent: true},
			record.Policy{Name: "envoy.window", Limits: []record.Limit{alignedLimit}, Foreign: true},
			record.Policy{Name: "envoy.bucket", Limits: m.Policies[0].Limits, Foreign: true})
		m.Left = []record.Left{test.left}
		m.requireOnly(t, test.rule)
	}
}

func TestResources(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		p    record.Process
		rule string
	}{
		{record.Process{GoroutinesFirst: 50, Goroutine: 80, BytesFirst: 40 << 20, Bytes: 124 << 20}, ""},
		{record.Process{GoroutinesFirst: 50, Goroutine: 81, BytesFirst: 40 << 20, Bytes: 40 << 20}, Resource},
		{record.Process{GoroutinesFirst: 50, Goroutine: 50, BytesFirst: 40 << 20, Bytes: 125 << 20}, Resource},
	} {
		m := runOf(bucketLimit)
		m.Processes = []record.Process{test.p}
		m.requireOnly(t, test.rule)
	}
}
