package check

import (
	"cmp"
	"iter"
	"slices"

	"github.com/sluice-project/sluice/server/e2e/chaos/record"
)

const (
	// byItself is how long the machine is believed to let one server stand still and nobody else: what is longer is the
	// server's own, unless the callers were woken late, too. With all that a check may be late by it is less than callers wait.
	byItself = 800e6
	// usual is how long a question that needs no store may take on a machine that does other things.
	usual = 3e6
	// pause is how long may lie between two such questions, so that two that are late one after the other are one stall.
	pause = 10e6
)

// stalls are the spans during which a server or its callers stood still: apart from each other, and in order.
type stalls [][2]int64

// stallsOf returns the stalls of each server.
func stallsOf(run *record.Run) []stalls {
	of := make([]stalls, run.Servers)
	for server := range of {
		of[server] = stallsOfOne(run, server)
	}
	return of
}

func stallsOfOne(run *record.Run, server int) stalls {
	var all stalls
	for _, p := range run.Pings {
		if p.Server == server && p.Took > usual {
			all = append(all, [2]int64{p.Asked, p.Asked + min(p.Took, byItself)})
		}
	}
	for _, l := range run.Late {
		all = append(all, [2]int64{l.Asked + usual, l.Asked + usual + l.Took})
	}
	slices.SortFunc(all, func(a, b [2]int64) int { return cmp.Compare(a[0], b[0]) })
	var merged stalls
	for _, s := range all {
		if n := len(merged); n > 0 && s[0] <= merged[n-1][1]+pause {
			merged[n-1][1] = max(merged[n-1][1], s[1])
		} else {
			merged = append(merged, s)
		}
	}
	return merged
}

// within returns how much of a span each of them takes that takes some of it.
func (all stalls) within(from, to int64) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		first, _ := slices.BinarySearchFunc(all, from, func(s [2]int64, at int64) int { return cmp.Compare(s[1], at) })
		for _, s := range all[first:] {
			if s[0] >= to || !yield(min(s[1], to)-max(s[0], from)) {
				return
			}
		}
	}
}

// during returns how much of a span they take.
func (all stalls) during(from, to int64) (sum int64) {
	for took := range all.within(from, to) {
		sum += took
	}
	return sum
}

// longest returns how much of a span the longest of them takes.
func (all stalls) longest(from, to int64) (longest int64) {
	for took := range all.within(from, to) {
		longest = max(longest, took)
	}
	return longest
}
