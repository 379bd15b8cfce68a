package redisstore_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

// asked is a check as a history has it, or a reset of the key.
type asked struct {
	key    string
	cost   int64
	refund int64
	peek   bool
	reset  bool
}

func askedBy(req sluice.Request) asked {
	return asked{key: req.Key, cost: req.Cost, refund: int64(req.Refund), peek: req.Peek}
}

// answered is what a caller was told.
type answered struct {
	allowed   bool
	remaining int64
}

// counter is the model of keys whose limits have periods so long that no unit comes back while they are asked: the order of
// the checks alone decides what each is answered.
func counter(most int64) porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			parts := make(map[string][]porcupine.Operation)
			for _, o := range history {
				key := o.Input.(asked).key
				parts[key] = append(parts[key], o)
			}
			return slices.Collect(maps.Values(parts))
		},
		Init: func() any { return int64(0) },
		Step: func(state, input, output any) (bool, any) {
			used, in, out := state.(int64), input.(asked), output.(answered)
			switch fits := used+in.cost <= most; {
			case in.reset:
				return true, int64(0)
			case in.refund > 0:
				used = max(0, used-in.refund)
				return out.allowed && out.remaining == most-used, used
			case fits != out.allowed:
				return false, used
			case fits && !in.peek:
				used += in.cost
			}
			return out.remaining == most-used, used
		},
	}
}

// TestDecisionsMadeTogetherAreLinearizable has many callers ask for few keys by all ways that there are, so that their
// checks share calls, and looks whether some order of making them alone, one after the other, gives the same answers, in
// which no check comes before one that was answered when it was asked. Two policies of one name take turns, as they do
// when a policy has changed.
func TestDecisionsMadeTogetherAreLinearizable(t *testing.T) {
	t.Parallel()
	const most, callers, rounds, keys = 200, 24, 25, 3
	for name, limits := range map[string][]sluice.Limit{
		"bucket":  {sluice.Per(most, 366*24*time.Hour).WithBurst(most)},
		"window":  {sluice.Per(most, 366*24*time.Hour)},
		"several": {sluice.PerDay(most).WithAlgorithm(sluice.FixedWindow), sluice.Per(most, 366*24*time.Hour).WithBurst(most)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := newStore(t, newClient(t, redistest.Shared(t).URL()), redisstore.Config{Timeout: patient, Prefix: "history-" + name + ":"})
			policies := [2]*sluice.Policy{{Name: "p", Limits: limits}, {Name: "p", Limits: limits}}
			begun := time.Now()
			histories := make([][]porcupine.Operation, callers)
			var wg sync.WaitGroup
			for c := range callers {
				wg.Go(func() {
					for range rounds {
						reqs := make([]sluice.Request, 1+rand.IntN(2)*rand.IntN(4))
						for i := range reqs {
							reqs[i] = sluice.Request{
								Policy: policies[rand.IntN(2)], Key: fmt.Sprint(rand.IntN(keys)), Cost: 1 + int64(rand.IntN(3)), Peek: rand.IntN(8) == 0,
							}
							if rand.IntN(8) == 0 {
								reqs[i].Refund, reqs[i].Cost, reqs[i].Peek = uint32(reqs[i].Cost), 0, false
							}
						}
						called := time.Since(begun).Nanoseconds()
						note := func(in asked, out answered) {
							histories[c] = append(histories[c], porcupine.Operation{
								ClientId: c, Input: in, Output: out, Call: called, Return: time.Since(begun).Nanoseconds(),
							})
						}
						switch {
						case rand.IntN(40) == 0:
							if err := store.Reset(t.Context(), reqs[0].Policy, reqs[0].Key); err != nil {
								t.Error(err)
							}
							note(asked{key: reqs[0].Key, reset: true}, answered{})
						case len(reqs) == 1:
							d, err := store.Check(t.Context(), reqs[0])
							if err != nil {
								t.Error(err)
							}
							note(askedBy(reqs[0]), answered{d.Allowed, d.Remaining})
						default:
							for i, r := range store.CheckAll(t.Context(), reqs) {
								if r.Err != nil {
									t.Error(r.Err)
								}
								note(askedBy(reqs[i]), answered{r.Decision.Allowed, r.Decision.Remaining})
							}
						}
					}
				})
			}
			wg.Wait()
			history := slices.Concat(histories...)
			if result := porcupine.CheckOperationsTimeout(counter(most), history, time.Minute); result != porcupine.Ok {
				t.Errorf("of %d decisions no order explains all answers: %s", len(history), result)
			}
		})
	}
}
