package e2e

import (
	"time"

	"github.com/sluice-project/sluice"
)

// count is the limit that the tests fire at.
const count = 1000

const day = 24 * time.Hour

// quietPeriod returns a period so long that nothing comes back while a test runs, whose edges, where windows are aligned
// to the clock, are a day away.
func quietPeriod() time.Duration {
	now := time.Duration(time.Now().UnixNano())
	for period := sluice.MaxPeriod; ; period -= day {
		if period-now%period > day {
			return period
		}
	}
}

// policies returns a policy for each algorithm and one of three at once, each with room for count units in a period.
func policies(period time.Duration) []sluice.Policy {
	return []sluice.Policy{
		one("token-bucket", sluice.Per(count, period).WithBurst(count)),
		one("sliding-window", sluice.Per(count, period)),
		one("fixed-window", sluice.Per(count, period).WithAlgorithm(sluice.FixedWindow)),
		one("aligned", sluice.Per(count, period).WithAligned()),
		one("sliding-counter", sluice.Per(count, period).WithAlgorithm(sluice.SlidingCounter)),
		{Name: "three", Limits: []sluice.Limit{
			sluice.Per(count+200, period).WithAligned().WithName("fixed"),
			sluice.Per(count, period).WithBurst(count).WithName("bucket"),
			sluice.Per(count+500, period).WithName("window"),
		}},
	}
}

func one(name string, limit sluice.Limit) sluice.Policy {
	return sluice.Policy{Name: name, Limits: []sluice.Limit{limit.WithName("only")}}
}
