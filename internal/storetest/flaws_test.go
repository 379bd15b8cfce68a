package storetest

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"slices"
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
	known    map[model.ID]bool // asked about; ResetAt is 0
}

func newFlawed(f flaw) *flawed {
	return &flawed{
		flaw: f, model: model.New(), lost: make(map[model.ID]bool), policies: make(map[model.ID]*sluice.Policy),
		known: make(map[model.ID]bool),
	}
}

func (f *flawed) Store() sluice.Store { return f }

func (f *flawed) Check(_ context.Context, req sluice.Request) (sluice.Decision, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.answer(req)
}

// answer answers one request.
func (f *flawed) answer(req sluice.Request) (sluice.Decision, error) {
	now := req.At
	if now == 0 {
		now = clock()
	}
	if !f.flaw.ignoresBefore && req.Before != 0 && now >= req.Before {
		return sluice.Decision{}, sluice.ErrStale
	}
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
		results[i].Decision, results[i].Err = f.answer(req)
	}
	return results
}

func (f *flawed) Reset(_ context.Context, policy *sluice.Policy, key string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := model.ID{Policy: policy.Name, Key: key, ResetAt: policy.ResetAt}
	if f.flaw.forget != nil {
		f.flaw.forget(f, id)
	} else {
		f.model.Forget(id)
	}
	return nil
}

func (f *flawed) Amend(_ context.Context, a sluice.Amendment) (sluice.Standing, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := model.ID{Policy: a.Policy, Key: a.Key}
	if a.At == 0 {
		a.At = clock()
		f.expire(id, a.At)
	}
	delete(f.lost, standingID(id))
	f.known[id] = true
	if f.flaw.amend != nil {
		return f.flaw.amend(f, a), nil
	}
	return f.model.Amend(a), nil
}

func (f *flawed) List(_ context.Context, l sluice.List) (sluice.Page, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.flaw.list != nil {
		return f.flaw.list(f, l), nil
	}
	return f.list(l), nil
}

// list returns a page in the order of the keys, whose cursor is the last of them.
func (f *flawed) list(l sluice.List) (page sluice.Page) {
	var keys []string
	for id := range f.known {
		if id.Policy == l.Policy && id.Key > l.Cursor {
			keys = append(keys, id.Key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		st := f.model.Look(model.ID{Policy: l.Policy, Key: key}, clock())
		if st.Override == nil && l.Overrides || st.Block == nil && !l.Overrides {
			continue
		}
		if len(page.Entries) == l.Most {
			page.Cursor = page.Entries[l.Most-1].Key
			break
		}
		page.Entries = append(page.Entries, sluice.Listed{Key: key, Standing: st})
	}
	return page
}

func (f *flawed) Forget(ctx context.Context, policy *sluice.Policy, key string) error {
	return f.Reset(ctx, policy, key)
}

func (f *flawed) ForgetStanding(_ context.Context, policy, key string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.model.ForgetStanding(model.ID{Policy: policy, Key: key})
	return nil
}

func (f *flawed) TTL(_ context.Context, policy *sluice.Policy, key string, written sluice.Tick) (time.Duration, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := model.ID{Policy: policy.Name, Key: key, ResetAt: policy.ResetAt}
	life, exists := f.model.Life(id)
	return f.ttl(id, life, written), exists && (written != 0 || !f.gone(life)), nil
}

func (f *flawed) StandingTTL(_ context.Context, policy, key string, written sluice.Tick) (time.Duration, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := model.ID{Policy: policy, Key: key}
	life, exists := f.model.StandingLife(id)
	if f.flaw.standingTTL != nil {
		return f.flaw.standingTTL(life), exists, nil
	}
	return f.ttl(standingID(id), life, written), exists && (written != 0 || !f.gone(life)), nil
}

func (f *flawed) ttl(id model.ID, life model.Life, written sluice.Tick) time.Duration {
	switch {
	case written == 0:
		return 0
	case f.lost[id] || life.Forever:
		return NoExpiry
	case f.flaw.ttl != nil:
		return f.flaw.ttl(life)
	}
	return life.Most
}

// standingID returns the ID by which the time to live of a standing is known to be lost.
func standingID(id model.ID) model.ID { return model.ID{Policy: id.Policy, Key: id.Key, ResetAt: -1} }

// Persist is what makes it a [Persister].
func (f *flawed) Persist(_ context.Context, policy, key string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost[model.ID{Policy: policy, Key: key}] = true
	return nil
}

// PersistStanding is what makes it a [Persister], too.
func (f *flawed) PersistStanding(_ context.Context, policy, key string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost[standingID(model.ID{Policy: policy, Key: key})] = true
	return nil
}

// Size is what makes it a [Sizer].
func (f *flawed) Size(context.Context, string, string) (int, error) { return max(f.flaw.size, 1), nil }

func (f *flawed) decide(req sluice.Request) sluice.Decision {
	if req.At == 0 {
		req.At = clock()
		f.expire(idOf(req), req.At)
	}
	f.known[model.ID{Policy: req.Policy.Name, Key: req.Key}] = true
	if f.flaw.decide != nil {
		return f.flaw.decide(f, req)
	}
	delete(f.lost, idOf(req))
	delete(f.lost, standingID(idOf(req)))
	return f.model.Decide(req)
}

// expire drops what is over by the store's own clock.
func (f *flawed) expire(id model.ID, now sluice.Tick) {
	if life, ok := f.model.Life(id); ok && life.End() <= now {
		f.model.Forget(id)
	}
	if life, ok := f.model.StandingLife(id); ok && life.End() <= now {
		f.model.ForgetStanding(id)
	}
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

func idOf(req sluice.Request) model.ID { return model.IDOf(req) }

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
