package redisstore

import (
	"testing"
	"time"

	"github.com/sluice-project/sluice/internal/clocktest"
)

// TestRenewalAfterAStep has the wall clock of the machine put back by an hour, and forward: connections are given up once a
// second all the same.
func TestRenewalAfterAStep(t *testing.T) {
	t.Parallel()
	for _, seconds := range []int64{-3600, 0, 3600} {
		var r renewal
		now := time.Now()
		for _, test := range []struct {
			after time.Duration
			step  int64
			want  bool
		}{
			{0, 0, true},
			{renewalTime - 1, 0, false},
			{renewalTime - 1, seconds, false},
			{renewalTime, seconds, true},
			{2*renewalTime - 1, seconds, false},
			{2 * renewalTime, 0, true},
		} {
			if got := r.due(0, clocktest.Step(now, test.step).Add(test.after)); got != test.want {
				t.Errorf("a step by %d s: after %s, due = %v, want %v", test.step, test.after, got, test.want)
			}
		}
	}
}
