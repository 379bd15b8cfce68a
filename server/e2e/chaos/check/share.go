package check

import (
	"slices"

	"github.com/sluice-project/sluice/server/e2e/chaos/record"
)

const (
	// apartTime is after how long without Redis a server may be thought gone, and its share be the others': it is counted for ten
	// seconds after it has last said that it is alive, which may be a second before it lost Redis, and may be one after it has it
	// again; and one beat may fail.
	apartTime = 7e9
	// togetherTime is how long after it is back all have heard of it: two times at which they say that they are alive, and
	// what one of them may take.
	togetherTime = 3e9
	// breakTime is how long a server may be told nothing by Redis while it is said to have it.
	breakTime = 1e9
)

// apartness is when servers may not agree on how many they are, or have forgotten what they admitted by their shares.
type apartness struct {
	all  []gap   // when there may be one too few of them
	anew [][]gap // of each server: when it has begun anew, and does not know yet that it is not alone
}

func apartnessOf(run *record.Run) *apartness {
	a := &apartness{anew: make([][]gap, run.Servers)}
	a.all = append(a.all, gap{0, run.Begin + togetherTime}) // the first to be started was alone
	// When each server has written where the fleet is counted, in order. What other shards of a Cluster decide says nothing of
	// that, nor does a refusal: where memory is full, nothing else is answered.
	decided := make([][]int64, run.Servers)
	fleet := shardOf("~fleet", run.Shards)
	for i := range run.Checks {
		if c := &run.Checks[i]; c.Source == record.Store && c.Allowed && shardOf(run.Subjects[c.Subject].Tag, run.Shards) == fleet {
			decided[c.Server] = append(decided[c.Server], c.Answered())
		}
	}
	for server, at := range decided {
		slices.Sort(at)
		at = append(at, run.End)
		for i, last := range at[1:] {
			if last-at[i] > apartTime {
				a.all = append(a.all, gap{at[i] + apartTime, heardFrom(at[i+1:], run.End)})
			}
		}
		for _, f := range run.Faults {
			if !slices.Contains(f.Anew, server) {
				continue
			}
			g := gap{f.From, run.End}
			if next, _ := slices.BinarySearch(at, f.To); next < len(at) {
				g.to = heardFrom(at[next:], run.End)
			}
			a.anew[server] = append(a.anew[server], g)
		}
	}
	return a
}

// heardFrom returns when a server has had Redis for so long without a break that all have heard of it, and it of them, by when
// Redis told it something, in order. One that loses Redis before may still have to say that it is alive.
func heardFrom(told []int64, end int64) int64 {
	since := told[0]
	for i, at := range told[1:] {
		if at-told[i] > breakTime {
			if told[i]-since >= togetherTime {
				break
			}
			since = at
		}
	}
	return min(since+togetherTime, max(end, told[0]))
}

// shares holds what servers admit by their shares against the limit: all of them together, and each of them alone, which
// may have the whole of it as long as it knows of no other. What a server admits while it may not know of the others does
// not count for all, and what it admitted before it began anew does not count for itself.
func (s *subject) shares(r *Report, a *apartness) {
	if !s.policy.Local {
		return
	}
	together := eras(s.checks, func(c *record.Check) bool {
		return byShare(c) && !slices.ContainsFunc(a.anew[c.Server], func(g gap) bool { return c.Asked < g.to && c.Answered() > g.from })
	}, slices.Clone(a.all))
	for _, era := range together {
		s.hold(r, Shares, era)
	}
	for server := range s.run.Servers {
		var begun []gap
		for _, f := range s.run.Faults {
			if slices.Contains(f.Anew, server) {
				begun = append(begun, gap{f.From, f.To})
			}
		}
		alone := eras(s.checks, func(c *record.Check) bool { return byShare(c) && int(c.Server) == server }, begun)
		for _, era := range alone {
			s.hold(r, Alone, era)
		}
	}
}

// byShare reports whether a check was let through by a server's share.
func byShare(c *record.Check) bool {
	return c.Ending == record.Answered && c.Allowed && c.Cost > 0 && c.Source == record.Fallback
}
