//go:build unix

package faults

import (
	"testing"
	"time"

	"github.com/sluice-project/sluice/server/e2e/chaos/world"
)

// TestSteps shows that an hour moves a clock by every step, forward and back.
func TestSteps(t *testing.T) {
	t.Parallel()
	seen := map[time.Duration]bool{}
	for _, f := range Tracks[1].Schedule(1, world.Single, time.Hour, 3) {
		if f.Kind == "move a clock" {
			seen[f.step()] = true
		}
	}
	for _, step := range steps {
		if !seen[step] || !seen[-step] {
			t.Errorf("an hour has a step by %s: %v, and back: %v", step, seen[step], seen[-step])
		}
	}
}
