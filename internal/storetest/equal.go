package storetest

import (
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/sluice-project/sluice"
)

// ChecksVariable is the environment variable that says how many checks [Equal] makes where it is given none.
const ChecksVariable = "SLUICE_EQUAL_CHECKS"

const (
	defaultEqualChecks = 100_000
	scenesAtOnce       = 200 // how many sequences share a call to the stores
	stepsPerScene      = 60
)

// Equal asks two or more stores the same n generated checks, instants injected, and fails where two decisions or two
// standings differ in any field: promise 6. Equal seeds make equal checks. Where n is 0 it is what [ChecksVariable]
// says, or 100,000, of which the race detector leaves a tenth. The checks are those of [Run]'s sequences, and many
// sequences share a call to keep it fast.
func Equal(t testing.TB, n int, seed uint64, stores map[string]Harness) {
	t.Helper()
	if n == 0 {
		if n = defaultEqualChecks; underRace {
			n /= 10
		}
		if text := os.Getenv(ChecksVariable); text != "" {
			var err error
			if n, err = strconv.Atoi(text); err != nil || n < 1 {
				t.Fatalf("%s=%q is not a number of checks from 1", ChecksVariable, text)
			}
		}
	}
	e := &comparison{t: t, seed: seed, dice: newSeededDice(seed), stores: stores, names: slices.Sorted(maps.Keys(stores))}
	e.run = rand.Uint32()
	if len(e.names) < 2 {
		t.Fatalf("%d stores, want at least 2 to compare", len(e.names))
	}
	for e.checks < n && !t.Failed() {
		e.round()
	}
	t.Logf("seed %d: %d checks, %d of them refused", seed, e.checks, e.refused)
	if e.refused*4 < e.checks && !t.Failed() {
		t.Errorf("%d of %d generated checks were refused, want at least a quarter", e.refused, e.checks)
	}
}

// comparison is a run of [Equal].
type comparison struct {
	policyNames
	t       testing.TB
	seed    uint64
	dice    dice
	stores  map[string]Harness
	names   []string // of the stores
	scenes  []*scene
	trails  []trail // of each scene
	checks  int
	refused int
}

// round lets each scene take its next step, all of them in one call to each store.
func (e *comparison) round() {
	for len(e.scenes) < scenesAtOnce {
		e.scenes, e.trails = append(e.scenes, nil), append(e.trails, nil)
	}
	var reqs []sluice.Request
	var whose []int
	for i, sc := range e.scenes {
		if sc == nil || len(sc.steps) == 0 {
			e.leave(sc)
			sc = newScene(drawSequence(e.dice, stepsPerScene), e.policyName())
			e.scenes[i], e.trails[i] = sc, nil
		}
		for _, req := range e.next(i) {
			reqs, whose = append(reqs, req), append(whose, i)
		}
	}
	answers := e.ask(reqs)
	for i, req := range reqs {
		e.compare(whose[i], req, answers, i)
	}
}

// next takes the next step of scene number i and returns what it asks.
func (e *comparison) next(i int) []sluice.Request {
	sc := e.scenes[i]
	st := sc.steps[0]
	sc.steps = sc.steps[1:]
	key := st.asks[0].key % len(sc.keys)
	sc.now = sc.instant(st.move, key)
	for k, s := range sc.last {
		if s.at != 0 && s.end() <= sc.now {
			e.forget(sc, k)
		}
	}
	switch st.kind {
	case stepReset:
		e.each(func(h Harness) error {
			ctx, cancel := call()
			defer cancel()
			return h.Store().Reset(ctx, sc.policy(), sc.keys[key])
		})
		sc.last[key] = sighting{standing: sc.last[key].standing}
	case stepChange:
		sc.version = st.version % len(sc.policies)
	case stepResetAll:
		sc.resetAll()
	case stepBar, stepUnbar, stepExcept, stepUnexcept, stepStanding:
		e.amend(i, sc.amendment(st, key))
		return nil
	}
	var reqs []sluice.Request
	for _, a := range st.asks {
		reqs = append(reqs, sc.request(a))
	}
	return reqs
}

// leave removes what a scene has left in the stores.
func (e *comparison) leave(sc *scene) {
	if sc == nil {
		return
	}
	for k := range sc.keys {
		e.forget(sc, k)
		e.each(func(h Harness) error {
			ctx, cancel := call()
			defer cancel()
			return h.ForgetStanding(ctx, sc.policy().Name, sc.keys[k])
		})
	}
}

// amend changes or looks at the standing of a key of scene number i in all stores, and compares what it is then.
func (e *comparison) amend(i int, a sluice.Amendment) {
	var all []sluice.Standing
	e.each(func(h Harness) error {
		ctx, cancel := call()
		defer cancel()
		st, err := h.Store().Amend(ctx, a)
		all = append(all, st)
		return err
	})
	e.trails[i].addAmendment(a, all[0])
	for j, name := range e.names {
		if !sameStanding(all[j], all[0]) {
			e.t.Errorf("seed %d, check %d: two standings of one key\n%s: %s\n%s: %s\n%s", e.seed, e.checks,
				e.names[0], describeStanding(all[0]), name, describeStanding(all[j]), e.trails[i])
		}
	}
	sc := e.scenes[i]
	sc.last[slices.Index(sc.keys, a.Key)].standing = all[0]
}

func (e *comparison) forget(sc *scene, key int) {
	e.each(func(h Harness) error {
		ctx, cancel := call()
		defer cancel()
		return h.Forget(ctx, sc.policy(), sc.keys[key])
	})
	sc.last[key] = sighting{standing: sc.last[key].standing}
}

// each does the same to every store.
func (e *comparison) each(do func(h Harness) error) {
	for _, name := range e.names {
		if err := do(e.stores[name]); err != nil {
			e.t.Fatalf("%s: %v", name, err)
		}
	}
}

// ask sends requests to all stores at the same time and returns what each of them answers, in the order of the names.
func (e *comparison) ask(reqs []sluice.Request) [][]sluice.Result {
	ctx, cancel := call()
	defer cancel()
	answers := make([][]sluice.Result, len(e.names))
	var all sync.WaitGroup
	for i, name := range e.names {
		all.Go(func() { answers[i] = e.stores[name].Store().CheckAll(ctx, reqs) })
	}
	all.Wait()
	for i, name := range e.names {
		if len(answers[i]) != len(reqs) {
			e.t.Fatalf("%s: CheckAll of %d requests has %d results", name, len(reqs), len(answers[i]))
		}
	}
	return answers
}

// compare compares what the stores answered to request number i.
func (e *comparison) compare(scene int, req sluice.Request, answers [][]sluice.Result, i int) {
	first := answers[0][i]
	e.trails[scene].add(req, first.Decision)
	for j, name := range e.names {
		r := answers[j][i]
		if r.Err != nil {
			e.t.Fatalf("%s: at %d: %s: %v", name, req.At, question(req), r.Err)
		}
		if !r.Decision.Equal(first.Decision) {
			e.t.Errorf("seed %d, check %d: two answers to one question\n%s: %s %v\n%s: %s %v\n%s", e.seed, e.checks,
				e.names[0], first.Decision, first.Decision.Limits(), name, r.Decision, r.Decision.Limits(), e.trails[scene])
		}
	}
	sc := e.scenes[scene]
	sc.saw(slices.Index(sc.keys, req.Key), req, first.Decision)
	e.checks++
	if !first.Decision.Allowed {
		e.refused++
	}
}
