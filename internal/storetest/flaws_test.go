package storetest

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/storetest/model"
)

// TestFlawless runs the suite on a store without a flaw, in short: what it demands can be met.
func TestFlawless(t *testing.T) {
	s := newSuite(newFlawed(flaw{}), 20)
	for _, p := range s.promises() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.test(t)
		})
	}
}

func TestFlawlessInRealTime(t *testing.T) {
	RunRealTime(t, func(*testing.T) Harness { return newFlawed(flaw{}) })
}

func TestFlawlessEqualsItself(t *testing.T) {
	Equal(t, 5_000, 1, map[string]Harness{"one": newFlawed(flaw{}), "other": newFlawed(flaw{})})
}

// TestFlawsAreFound runs the suite on stores of which each has one flaw. A suite that cannot fail shows nothing.
func TestFlawsAreFound(t *testing.T) {
	// What fails here need not be made simple or kept.
	setFlag(t, "rapid.shrinktime", "0s")
	setFlag(t, "rapid.nofailfile", "true")
	for _, f := range flaws {
		for _, name := range f.foundBy {
			t.Run(f.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := newSuite(newFlawed(f), 20)
				tested := false
				for _, p := range s.promises() {
					if p.name != name {
						continue
					}
					tested = true
					r := &recorder{TB: t}
					if r.run(func(t testing.TB) { p.test(t) }); !r.failed {
						t.Errorf("the test of %s does not find it", name)
					}
					t.Logf("%.200s", r.text)
				}
				if !tested {
					t.Errorf("there is no test of %s", name)
				}
			})
		}
	}
}

// flawed is a store on top of the model that has a flaw.
type flawed struct {
	flaw     flaw
	mu       sync.Mutex
	model    *model.Model
	lost     map[model.ID]bool
	policies map[model.ID]*sluice.Policy
}

func newFlawed(f flaw) *flawed {
	return &flawed{
		flaw: f, model: model.New(), lost: make(map[model.ID]bool), policies: make(map[model.ID]*sluice.Policy),
	}
}

func (f *flawed) Store() sluice.Store { return f }

func (f *flawed) Check(_ context.Context, req sluice.Request) (sluice.Decision, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.decide(req), nil
}

func (f *flawed) CheckAll(_ context.Context, reqs []sluice.Request) []sluice.Result {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.flaw.batch != nil {
		return f.flaw.batch(f, reqs)
	}
	results := make([]sluice.Result, len(reqs))
	for i, req := range reqs {
		results[i].Decision = f.decide(req)
	}
	return results
}

func (f *flawed) Reset(_ context.Context, policy, key string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.flaw.forget != nil {
		f.flaw.forget(f, model.ID{Policy: policy, Key: key})
	} else {
		f.model.Forget(model.ID{Policy: policy, Key: key})
	}
	return nil
}

func (f *flawed) Forget(ctx context.Context, policy, key string) error {
	return f.Reset(ctx, policy, key)
}

func (f *flawed) TTL(_ context.Context, policy, key string, written sluice.Tick) (time.Duration, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := model.ID{Policy: policy, Key: key}
	life, exists := f.model.Life(id)
	switch {
	case written == 0:
		return 0, exists && !f.gone(life), nil
	case f.lost[id]:
		return NoExpiry, exists, nil
	case f.flaw.ttl != nil:
		return f.flaw.ttl(life), exists, nil
	}
	return life.Most, exists, nil
}

// Persist is what makes it a [Persister].
func (f *flawed) Persist(_ context.Context, policy, key string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost[model.ID{Policy: policy, Key: key}] = true
	return nil
}

// Size is what makes it a [Sizer].
func (f *flawed) Size(context.Context, string, string) (int, error) { return max(f.flaw.size, 1), nil }

func (f *flawed) decide(req sluice.Request) sluice.Decision {
	if req.At == 0 {
		req.At = clock()
		if life, ok := f.model.Life(idOf(req)); ok && life.End() <= req.At {
			f.model.Forget(idOf(req))
		}
	}
	if f.flaw.decide != nil {
		return f.flaw.decide(f, req)
	}
	delete(f.lost, idOf(req))
	return f.model.Decide(req)
}

// gone reports by the store's own clock whether state is no longer there.
func (f *flawed) gone(life model.Life) bool {
	if f.flaw.gone != nil {
		return f.flaw.gone(life)
	}
	return life.End() <= clock()
}

// peek answers without taking anything.
func (f *flawed) peek(req sluice.Request, cost int64) sluice.Decision {
	req.Cost, req.Peek = cost, true
	return f.model.Decide(req)
}

// charge takes what is asked whether there is room or not.
func (f *flawed) charge(req sluice.Request) {
	policy := sluice.Policy{Name: req.Policy.Name}
	for _, l := range req.Policy.Limits {
		if l.Algorithm() == sluice.TokenBucket {
			l = l.WithBurst(sluice.MaxCount)
		} else {
			l = sameRule(l, sluice.MaxCount, l.Period()).WithName(l.Name())
		}
		policy.Limits = append(policy.Limits, l)
	}
	req.Policy = &policy
	f.model.Decide(req)
}

func clock() sluice.Tick { return sluice.Tick(time.Now().UnixMicro()) }

func idOf(req sluice.Request) model.ID { return model.ID{Policy: req.Policy.Name, Key: req.Key} }

// recorder is a test whose failure is recorded and harms no other.
type recorder struct {
	testing.TB
	mu     sync.Mutex
	failed bool
	text   string
}

// run runs a test to its end, or until it fails for good.
func (r *recorder) run(test func(testing.TB)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		test(r)
	}()
	<-done
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = true
	r.text += fmt.Sprintf(format, args...) + "\n"
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) FailNow() {
	r.Errorf("")
	runtime.Goexit()
}

func (r *recorder) Logf(string, ...any) {}

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func setFlag(t *testing.T, name, value string) {
	before := flag.Lookup(name).Value.String()
	if err := flag.Set(name, value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := flag.Set(name, before); err != nil {
			t.Error(err)
		}
	})
}
