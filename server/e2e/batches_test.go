package e2e

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// mixes are what the checks of one key in the batches cost: one, seven, or by turns everything from 1 to 9.
var mixes = []struct {
	key  string
	cost func(i int) int64
	used int64
}{
	{"batches at 1", func(int) int64 { return 1 }, count},
	{"batches at 7", func(int) int64 { return 7 }, count / 7 * 7},
	{"batches at 1 to 9", func(i int) int64 { return int64(i%9 + 1) }, count},
}

// inBatches sends the checks of all policies and costs, shuffled, in batches of all sizes.
func (e exactly) inBatches(t *testing.T) {
	batches := make(chan []question, clients)
	go func() {
		defer close(batches)
		e.deal(func(batch []question) { batches <- batch })
	}()

	type counter struct{ policy, key string }
	var (
		mu   sync.Mutex
		used = map[counter]int64{}
	)
	start := time.Now()
	concurrently(clients, func(i int) {
		c := newClient()
		defer c.close()
		for batch := range batches {
			i++
			decisions, err := c.checks(e.fleet[i%servers].addr, batch)
			if err != nil {
				t.Error(err)
				continue // the others are waited for by nobody else
			}
			mu.Lock()
			for j, d := range decisions {
				if q := batch[j]; d.Policy != q.Policy || d.Key != q.Key || d.Cost != q.Cost {
					t.Errorf("check %d of a batch is %v, its answer is for policy %s, key %q, cost %d", j, q, d.Policy, d.Key, d.Cost)
				}
				if d.Allowed {
					used[counter{d.Policy, d.Key}] += d.Cost
				}
			}
			mu.Unlock()
		}
	})
	took := time.Since(start)
	all := e.checks * len(mixes) * len(e.policies)
	t.Logf("%d checks in %s, %.0f/s", all, took.Round(time.Millisecond), float64(all)/took.Seconds())
	for _, p := range e.policies {
		for _, m := range mixes {
			if got := used[counter{p.Name, m.key}]; got != m.used {
				t.Errorf("%s, %s: %d units allowed, want %d", p.Name, m.key, got, m.used)
			}
			e.requireUsed(t, p, m.key, m.used)
		}
	}
}

// deal calls send with batches until as many checks as there shall be are dealt of each policy and mix.
func (e exactly) deal(send func([]question)) {
	type pile struct{ policy, mix, dealt int }
	var piles []pile
	for p := range e.policies {
		for m := range mixes {
			piles = append(piles, pile{policy: p, mix: m})
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for len(piles) > 0 {
		var batch []question
		for n := 1 + random.IntN(200); len(batch) < n && len(piles) > 0; {
			i := random.IntN(len(piles))
			p := &piles[i]
			m := mixes[p.mix]
			batch = append(batch, question{Policy: e.policies[p.policy].Name, Key: m.key, Cost: m.cost(p.dealt)})
			if p.dealt++; p.dealt == e.checks {
				piles = slices.Delete(piles, i, i+1)
			}
		}
		send(batch)
	}
}
