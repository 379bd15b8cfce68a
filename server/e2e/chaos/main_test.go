//go:build unix

package main

import (
	"strings"
	"testing"

	"github.com/sluice-project/sluice/server/e2e/chaos/check"
	"github.com/sluice-project/sluice/server/e2e/chaos/record"
	"github.com/sluice-project/sluice/server/e2e/chaos/world"
)

// TestIdle shows that a rule must have looked at something on each topology, but for those that need not, which must on one.
func TestIdle(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		rule  string
		blind []world.Topology
		stood int    // answers at the end before which the machine stood still
		want  string // part of the error; "" for none
	}{
		{rule: check.Shares},
		{check.Shares, []world.Topology{world.Cluster}, 1, `cluster: "shares add up" has looked at nothing`},
		{check.Back, []world.Topology{world.Single}, 0, `single: "back to normal" has looked at nothing`},
		{check.Back, []world.Topology{world.Single}, 1, ""},
		{check.Back, world.Topologies, 1, `"back to normal" has looked at nothing`},
		{check.Rotated, []world.Topology{world.Single, world.Cluster}, 0, ""},
		{check.Rotated, world.Topologies, 0, `"what is rotated counts" has looked at nothing`},
	} {
		s := newSummary(1)
		for _, topology := range world.Topologies {
			r := &check.Report{Looked: map[string]int{}, Stood: test.stood}
			for _, rule := range check.Rules {
				r.Looked[rule] = 1
			}
			for _, blind := range test.blind {
				if blind == topology {
					r.Looked[test.rule] = 0
				}
			}
			s.add(&record.Run{Topology: string(topology)}, r)
		}
		switch err := s.idle(); {
		case test.want == "" && err != nil, test.want != "" && err == nil, err != nil && !strings.Contains(err.Error(), test.want):
			t.Errorf("%q blind on %v: %v, want %q", test.rule, test.blind, err, test.want)
		}
	}
}
