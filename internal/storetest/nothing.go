package storetest

import (
	"fmt"

	"github.com/sluice-project/sluice"
	"pgregory.net/rapid"
)

// testAllOrNothing shows promise 2 on policies of which one limit has less room than the others: what it refuses is
// taken from none, wherever it stands among them.
func (s *suite) testAllOrNothing(t rapid.TB) {
	const at = 1_700_000_000_000_000
	narrow := sluice.PerDay(3).WithName("narrow")
	for place := range 4 {
		limits := []sluice.Limit{
			sluice.PerDay(100).WithName("window"),
			sluice.PerDay(100).WithBurst(50).WithName("bucket"),
			sluice.PerDay(100).WithAlgorithm(sluice.SlidingCounter).WithName("counter"),
			sluice.PerDay(100).WithAligned().WithName("fixed"),
		}
		limits[place] = narrow
		ctx, cancel := call()
		policy := &sluice.Policy{Name: s.policyName(), Limits: limits}
		ask := func(cost int64) sluice.Decision {
			d, err := s.harness.Store().Check(ctx, sluice.Request{Policy: policy, Key: "key", Cost: cost, At: at})
			if err != nil {
				t.Fatalf("%s: %v", describe(limits), err)
			}
			return d
		}
		ask(2)
		for range 5 {
			if d := ask(2); d.Allowed || fmt.Sprint(d.DeniedBy()) != "[narrow]" {
				t.Fatalf("%s: 2 more than 2 of 3: %s", describe(limits), d)
			}
		}
		d := ask(1)
		for _, l := range d.Limits() {
			if want := l.Limit.Capacity() - 3; !d.Allowed || l.Remaining != want {
				t.Errorf("%s: after 3 units and 5 refusals %s has %d left, want %d", describe(limits), l.Limit.Name(), l.Remaining, want)
			}
		}
		cancel()
	}
}

// testReset shows that Reset forgets one key of one policy, and that a key never seen is no error.
func (s *suite) testReset(t rapid.TB) {
	ctx, cancel := call()
	defer cancel()
	const at = 1_700_000_000_000_000
	limits := []sluice.Limit{sluice.PerDay(1), sluice.PerHour(1).WithBurst(1)}
	one, other := s.policyName(), s.policyName()
	allowed := func(policy, key string) bool {
		req := sluice.Request{Policy: &sluice.Policy{Name: policy, Limits: limits}, Key: key, Cost: 1, At: at}
		d, err := s.harness.Store().Check(ctx, req)
		if err != nil {
			t.Fatalf("%s of %s: %v", key, policy, err)
		}
		return d.Allowed
	}
	reset := func(policy, key string) {
		if err := s.harness.Store().Reset(ctx, &sluice.Policy{Name: policy}, key); err != nil {
			t.Errorf("Reset(%s, %s): %v", policy, key, err)
		}
	}
	all := [][2]string{{one, "a"}, {one, "b"}, {other, "a"}}
	for _, id := range all {
		reset(id[0], id[1])
		if !allowed(id[0], id[1]) {
			t.Errorf("%s of %s is refused its first unit", id[1], id[0])
		}
	}
	reset(one, "a")
	for i, id := range all {
		if got, want := allowed(id[0], id[1]), i == 0; got != want {
			t.Errorf("after a reset of %s of %s: %s of %s is allowed: %t, want %t", "a", one, id[1], id[0], got, want)
		}
	}
}
