package envoyrls_test

import (
	"testing"
	"testing/synctest"

	"github.com/sluice-project/sluice/server/envoyrls"
)

// A limit that a request brings along, of another unit than the rule has, is another counter: else each would wipe out
// what the other has counted, because a store keeps one state of a key.
func TestLimitsOfOtherUnitsAreOtherCounters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newDoor(t, envoyrls.Options{}, "domain: d\ndescriptors:\n  - key: ip\n    rate_limit: {unit: day, requests_per_unit: 6}\n")
		for _, left := range []string{"5", "4", "3"} {
			a.ask("OK: OK 6/DAY "+left+" left 24h0m0s", "ip=x")
			a.ask("OK: OK 6/HOUR "+left+" left 1h0m0s", "ip=x !6/HOUR")
		}
		a.ask("OK: OK 9/DAY 5 left 24h0m0s", "ip=x !9/DAY") // one of the same unit shares the counter of the rule
	})
}
