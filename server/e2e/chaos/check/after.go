package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-project/sluice/server/e2e/chaos/record"
)

// second is how far apart the ticks of the schedules are.
const second = 1e9

// ticks sees that each tick of a schedule is carried out once: no history names one twice, or leaves one out between two
// that it has, and what was done adds up. What Redis has forgotten is not there to be seen, and is done again; so two
// readings are compared only where nothing can have been forgotten between them.
func ticks(run *record.Run, r *Report) {
	seen := map[string]map[int64]record.Tick{} // by schedule and due, since Redis may have forgotten
	last := map[string]record.Reading{}
	for _, reading := range run.Readings {
		if before, there := last[reading.Schedule]; !there || forgotten(run, before.At, reading.At) {
			seen[reading.Schedule] = map[int64]record.Tick{}
		}
		known := seen[reading.Schedule]
		for i, t := range reading.Ticks {
			r.Looked[Ticks]++
			name := fmt.Sprintf("%s: the tick of %s", reading.Schedule, seconds(t.Due-run.Begin))
			switch was, there := known[t.Due]; {
			case t.Error != "":
				r.violate(Ticks, "%s failed: %s", name, t.Error)
			case there && was.At != t.At:
				r.violate(Ticks, "%s was carried out at %s by %s, and at %s by %s", name, seconds(was.At-run.Begin), was.By, seconds(t.At-run.Begin), t.By)
			case t.At < t.Due:
				r.violate(Ticks, "%s was carried out at %s", name, seconds(t.At-run.Begin))
			}
			if i == 0 {
				continue
			}
			switch later := reading.Ticks[i-1]; {
			case later.Due == t.Due:
				r.violate(Ticks, "%s is there twice, of %s and %s", name, seconds(t.At-run.Begin), seconds(later.At-run.Begin))
			case later.Due != t.Due+second && !forgotten(run, t.At, later.At):
				r.violate(Ticks, "%s is followed by that of %s", name, seconds(later.Due-run.Begin))
			case raised(later.To) > 0 && raised(later.To) != raised(t.To)+1 && !forgotten(run, t.At, later.At):
				r.violate(Ticks, "%s raised the limit to %s, and the next one to %s", name, t.To, later.To)
			}
		}
		for _, t := range reading.Ticks {
			known[t.Due] = t
		}
		if reading.Final {
			if n := len(reading.Ticks); n == 0 || reading.At-reading.Ticks[0].Due > 5*second {
				r.violate(Ticks, "%s: at the end, %d ticks are known, and the last second has none", reading.Schedule, n)
			} else if to := raised(reading.Ticks[0].To); to > 0 && reading.Limit > 0 && (reading.Limit < to || reading.Limit > to+3) {
				r.violate(Ticks, "%s: the last tick raised the limit to %d, and it is %d", reading.Schedule, to, reading.Limit)
			}
		}
		last[reading.Schedule] = reading
	}
}

// raised returns the count of a limit as text, 0 where the text is none.
func raised(limit string) (n int64) {
	count, _, _ := strings.Cut(limit, "/")
	_, _ = fmt.Sscan(count, &n)
	return n
}

// forgotten reports whether Redis may have forgotten the histories between two instants. Where they are is not known, so
// any shard will do.
func forgotten(run *record.Run, from, to int64) bool {
	return slices.ContainsFunc(run.Faults, func(f record.Fault) bool {
		return f.Forgets && f.ForgetFrom <= to && f.ForgetTo >= from-second
	})
}

const (
	// exceptFor is how many milliseconds the exception lasts that a schedule makes, of a policy that nobody asks about.
	exceptFor = 60e3
	// probeFor is for how many milliseconds a key is known that servers take a unit of to see whether Redis can be written.
	probeFor = 2e3
)

// expiry sees that no key is left without a time to live, or with one that is longer than the limits of its policy can
// mean, and what is lent of it, but those that are meant to stay: the fleet's own.
func expiry(run *record.Run, r *Report) {
	most := map[string]int64{"probe": probeFor} // by policy, in milliseconds
	for _, p := range run.Policies {
		for _, l := range p.Limits {
			period := l.Period
			if l.Algorithm == record.TokenBucket {
				period = max(period, l.Period*l.Burst/l.Count)
			}
			most[p.Name] = max(most[p.Name], 2*period/1e6+1e3)
		}
		if p.Lent {
			most[p.Name] += loan / 1e6
		}
	}
	for _, k := range run.Left {
		r.Looked[Expiry]++
		may, known := most[policyOf(k.Key)]
		if !known {
			may = exceptFor
		}
		switch {
		case strings.Contains(k.Key, "{~fleet}"):
		case k.TTL == -1:
			r.violate(Expiry, "%q has no time to live", k.Key)
		case strings.Contains(k.Key, "{~overrides|"), strings.Contains(k.Key, "{~blocks|"): // lists, which live for two hours longer
		case k.TTL > may:
			r.violate(Expiry, "%q lives for another %d ms, and no limit means anything for longer than %d ms", k.Key, k.TTL, may)
		}
	}
}

// policyOf returns the policy, or the namespace, that a key of Redis is of, as it is spelled behind its brace. Of Envoy's keys,
// whose namespace is but a period, it is the first key of the descriptor, behind the domain.
func policyOf(key string) string {
	_, tag, _ := strings.Cut(key, "{")
	name, rest, _ := strings.Cut(tag, "|")
	if strings.HasPrefix(name, "~envoy.") {
		_, descriptor, _ := strings.Cut(rest, "|")
		name, _, _ = strings.Cut(descriptor, "=")
	}
	return strings.TrimPrefix(name, "~")
}

const (
	// moreGoroutines is how many more a server may have at the end than at the beginning: connections come and go.
	moreGoroutines = 30
	// moreBytes is how much more memory it may take, besides half as much again: its heap is not collected before it has 64 MiB,
	// and what is freed is not given back at once.
	moreBytes = 64 << 20
)

// resources sees that a server has at the end no more goroutines than at the beginning, and no more memory.
func resources(run *record.Run, r *Report) {
	for _, p := range run.Processes {
		r.Looked[Resource]++
		if p.Goroutine > p.GoroutinesFirst+moreGoroutines {
			r.violate(Resource, "server %d had %d goroutines before the first fault and %d after the last", p.Server, p.GoroutinesFirst, p.Goroutine)
		}
		if p.Bytes > p.BytesFirst*3/2+moreBytes {
			r.violate(Resource, "server %d took %d bytes before the first fault and %d after the last", p.Server, p.BytesFirst, p.Bytes)
		}
	}
}
