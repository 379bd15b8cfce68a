package httpapi

import (
	"testing"
	"time"

	"github.com/sluice-project/sluice"
)

func TestMilliseconds(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]int64{
		0:                               0,
		time.Microsecond:                1,
		time.Millisecond:                1,
		time.Millisecond + 1:            2,
		24 * time.Hour:                  86_400_000,
		24*time.Hour + time.Microsecond: 86_400_001,
		sluice.MaxWait:                  9_007_199_254_741, // 2^53-1 microseconds
	} {
		if got := milliseconds(d); got != want {
			t.Errorf("milliseconds(%s) = %d, want %d", d, got, want)
		}
	}
}
