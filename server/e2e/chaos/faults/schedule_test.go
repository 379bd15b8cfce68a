//go:build unix

package faults

import (
	"slices"
	"testing"
	"time"

	"github.com/sluice-project/sluice/server/e2e/chaos/world"
)

// TestSeedRepeats shows that a seed gives the same faults, a shorter run the first of them, and that another seed or
// topology gives others; and that an hour has every kind.
func TestSeedRepeats(t *testing.T) {
	t.Parallel()
	for _, topology := range world.Topologies {
		for _, track := range Tracks {
			name := string(topology) + ", " + track.Name
			hour := track.Schedule(1, topology, time.Hour, 3)
			if !slices.Equal(hour, track.Schedule(1, topology, time.Hour, 3)) {
				t.Errorf("%s: a seed does not give the same faults again", name)
			}
			if minute := track.Schedule(1, topology, time.Minute, 3); len(minute) < 8 || !slices.Equal(minute, hour[:len(minute)]) {
				t.Errorf("%s: a minute has not the first faults of an hour, but %v", name, minute)
			}
			if slices.Equal(hour, track.Schedule(2, topology, time.Hour, 3)) {
				t.Errorf("%s: two seeds give the same faults", name)
			}
			for _, k := range track.kinds {
				there := slices.ContainsFunc(hour, func(f Fault) bool { return f.Kind == k.name })
				if there != (k.of == nil || k.of[topology]) {
					t.Errorf("%s: whether %q is in an hour: %v", name, k.name, there)
				}
			}
		}
	}
}
