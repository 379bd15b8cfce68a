package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-project/sluice"
	"pgregory.net/rapid"
)

// Promises about overrides, lists of standings and times to live of their records, and about requests that come too late.

// testOverride shows that limits of a key's own stand in the place of the policy's, go on with what those of the same name
// have counted, and end.
func (s *suite) testOverride(t rapid.TB) {
	ctx, cancel := call()
	defer cancel()
	d := s.newDesk(ctx, t, sluice.Policy{Limits: []sluice.Limit{sluice.PerDay(5), sluice.PerHour(3)}})
	d.check(3)
	own := []sluice.Limit{sluice.PerDay(50), sluice.PerMinute(20)}
	is := d.amend(sluice.Amendment{Except: &sluice.Exception{Limits: own, For: time.Hour / 2}})
	want := sluice.Override{Limits: own, Until: d.now + ticks(time.Hour/2)}
	if !sameStanding(is, sluice.Standing{Override: &want}) {
		t.Errorf("given limits of its own: %s, want %s", describeStanding(is), describeStanding(sluice.Standing{Override: &want}))
	}
	got := d.check(20)
	perDay, perMinute := limitOf(got, 0), limitOf(got, 1)
	if !got.Allowed || perDay.Limit != own[0] || perDay.Remaining != 27 || perMinute.Limit != own[1] || perMinute.Remaining != 0 {
		t.Errorf("20 of 50 a day, of which 3 are used, and of 20 a minute: %s, limits %v", got, got.Limits())
	}
	if got := d.after(time.Hour/2 - time.Microsecond).peek(); limitOf(got, 0).Limit != own[0] {
		t.Errorf("one tick before its end: %v", got.Limits())
	}
	got = d.after(time.Microsecond).check(1)
	perDay, perHour := limitOf(got, 0), limitOf(got, 1)
	if got.Allowed || perDay.Limit != d.policy.Limits[0] || perDay.Remaining != 0 || perHour.Remaining != 3 {
		t.Errorf("23 of 5 a day, and of 3 an hour none that is remembered: %s, limits %v", got, got.Limits())
	}
	if is := d.standing(); is.Override != nil {
		t.Errorf("after its end: %s", describeStanding(is))
	}
	d.amend(sluice.Amendment{Except: &sluice.Exception{Limits: own}})
	if got := d.peek(); !got.Allowed {
		t.Errorf("given limits of its own again: %s", got)
	}
	if is := d.amend(sluice.Amendment{Unexcept: true}); is.Override != nil {
		t.Errorf("taken back: %s", describeStanding(is))
	}
	if got := d.peek(); got.Allowed {
		t.Errorf("taken back: %s", got)
	}
	// Refusals by them count towards the policy's penalty.
	other := *d.policy
	other.Penalty = &sluice.Penalty{After: 2, Within: time.Minute, For: time.Hour}
	d.policy = &other
	d.amend(sluice.Amendment{Except: &sluice.Exception{Limits: own}})
	d.wantFree("the first refusal", d.check(51))
	d.wantPenalty("the second", d.check(51), time.Hour)
}

// testStandingLife shows how long the record of a standing lives: until the last of what it holds has ended, rounded up
// to whole milliseconds, and without end where it holds an override for good.
func (s *suite) testStandingLife(t rapid.TB) {
	own := []sluice.Limit{sluice.PerDay(50)}
	penalty := classic()
	penalty.Penalty.After, penalty.Penalty.Max = 2, 0
	const part = 123 * time.Microsecond
	for _, test := range []struct {
		name string
		do   func(d *desk)
		want time.Duration
	}{
		{"nothing", func(d *desk) { d.check(1) }, 0},
		{"a look", func(d *desk) { d.standing() }, 0},
		{"a refusal", func(d *desk) { d.check(2) }, time.Minute},
		{"two refusals, and so a penalty", func(d *desk) { d.check(2); d.after(part).check(2) }, 30 * time.Minute},
		{"a block", func(d *desk) { d.bar(time.Hour + part) }, time.Hour + part},
		{"a shorter one in its place", func(d *desk) { d.bar(time.Hour); d.bar(time.Second) }, time.Second},
		{"a block and a longer override", func(d *desk) {
			d.bar(time.Hour)
			d.amend(sluice.Amendment{Except: &sluice.Exception{Limits: own, For: 2*time.Hour + part}})
		}, 2*time.Hour + part},
		{"an override for good", func(d *desk) {
			d.bar(time.Hour)
			d.amend(sluice.Amendment{Except: &sluice.Exception{Limits: own}})
		}, NoExpiry},
		{"one that was taken back", func(d *desk) {
			d.amend(sluice.Amendment{Except: &sluice.Exception{Limits: own}, Bar: &sluice.Bar{For: time.Hour}})
			d.amend(sluice.Amendment{Unexcept: true})
		}, time.Hour},
		{"one that is over at once", func(d *desk) {
			d.amend(sluice.Amendment{Except: &sluice.Exception{Limits: own, Until: d.now}, Bar: &sluice.Bar{Until: d.now}})
		}, 0},
		{"a block that is lifted", func(d *desk) { d.check(2); d.bar(time.Hour); d.amend(sluice.Amendment{Unbar: true}) }, 0},
		{"a penalty, and an override for a while", func(d *desk) {
			d.check(2)
			d.check(2)
			d.amend(sluice.Amendment{Except: &sluice.Exception{Limits: own, For: time.Minute}})
		}, 30 * time.Minute},
		{"a block that would last too long", func(d *desk) {
			d.amend(sluice.Amendment{Bar: &sluice.Bar{Until: d.now + ticks(3*sluice.MaxPeriod)}})
		}, sluice.MaxPeriod},
	} {
		ctx, cancel := call()
		d := s.newDesk(ctx, t, penalty)
		wall := time.Now()
		test.do(d)
		life, exists, err := d.harness.StandingTTL(ctx, d.policy.Name, d.key, d.now)
		passed := time.Since(wall) + time.Millisecond
		switch {
		case err != nil || exists != (test.want != 0):
			t.Errorf("%s: there is a standing: %t, error %v, want %t", test.name, exists, err, test.want != 0)
		case (test.want == NoExpiry) != (life == NoExpiry) || life > test.want+time.Millisecond || life < test.want-passed:
			t.Errorf("%s: it lives for %s, want %s rounded up to milliseconds", test.name, life, test.want)
		}
		cancel()
	}
}

func (d *desk) bar(lasts time.Duration) { d.amend(sluice.Amendment{Bar: &sluice.Bar{For: lasts}}) }

// testStandingHealing shows that a standing that has lost its time to live gets another by the next check, whatever that
// asks, and one that holds an override for good does not.
func (s *suite) testStandingHealing(t rapid.TB, h Persister) {
	for _, req := range []sluice.Request{{Cost: 1}, {}, {Cost: 1, Peek: true}, {Cost: 2}} {
		for _, forGood := range []bool{false, true} {
			ctx, cancel := call()
			d := s.newDesk(ctx, t, sluice.Policy{Limits: []sluice.Limit{sluice.PerHour(1)}})
			wall := time.Now()
			a := sluice.Amendment{Bar: &sluice.Bar{For: time.Hour}}
			want := time.Hour
			if forGood {
				a.Except = &sluice.Exception{Limits: []sluice.Limit{sluice.PerHour(1)}}
				want = NoExpiry
			}
			d.amend(a)
			if err := h.PersistStanding(ctx, d.policy.Name, d.key); err != nil {
				t.Fatalf("persist: %v", err)
			}
			d.ask(req)
			life, exists, err := d.harness.StandingTTL(ctx, d.policy.Name, d.key, d.now)
			passed := time.Since(wall) + time.Millisecond
			if err != nil || !exists || (life == NoExpiry) != forGood || life > want || life < want-passed {
				t.Errorf("after it lost its time to live and %s: exists %t, lives for %s, error %v, want %s", question(req), exists, life, err, want)
			}
			cancel()
		}
	}
}

// testStale: what comes too late is not decided, and charges nothing.
func (s *suite) testStale(t rapid.TB) {
	ctx, cancel := call()
	defer cancel()
	policy := &sluice.Policy{
		Name: s.policyName(), Limits: []sluice.Limit{sluice.PerDay(3)},
		Penalty: &sluice.Penalty{After: 1, Within: time.Minute, For: time.Minute},
	}
	req := func(cost int64, before sluice.Tick) sluice.Request {
		return sluice.Request{Policy: policy, Key: "key", Cost: cost, At: noon, Before: before}
	}
	reqs := []sluice.Request{req(1, noon), req(9, noon-1), req(1, noon+1), req(3, 1), req(1, 0)}
	results := s.harness.Store().CheckAll(ctx, reqs)
	for _, r := range reqs {
		d, err := s.harness.Store().Check(ctx, r)
		results = append(results, sluice.Result{Decision: d, Err: err})
	}
	for i, want := range []int64{-1, -1, 2, -1, 1, -1, -1, 0, -1, 0} {
		r := results[i]
		stale := errors.Is(r.Err, sluice.ErrStale) && !errors.Is(r.Err, sluice.ErrUncertain)
		switch {
		case want < 0 && (!stale || !r.Decision.Equal(sluice.Decision{})):
			t.Errorf("request %d, which comes too late: %s, error %v, want ErrStale alone", i, r.Decision, r.Err)
		case want >= 0 && (r.Err != nil || r.Decision.Remaining != want):
			t.Errorf("request %d: %s, error %v, want %d remaining", i, r.Decision, r.Err, want)
		}
	}
}

// testList shows that every key with a block or an override is listed once, as it stands, and no other, in pages of any
// length, also while others come and go. It is at the store's own clock, by which lists are read.
func (s *suite) testList(t rapid.TB) {
	ctx, cancel := call()
	defer cancel()
	policy, other := s.policyName(), s.policyName()
	own := []sluice.Limit{sluice.PerHour(7).WithBurst(9), sluice.PerDay(70)}
	amend := func(policy, key string, a sluice.Amendment) sluice.Standing {
		a.Policy, a.Key = policy, key
		st, err := s.harness.Store().Amend(ctx, a)
		if err != nil {
			t.Fatalf("%s: %v", change(a), err)
		}
		return st
	}
	want := [2]map[string]sluice.Standing{{}, {}}
	for i := range 40 {
		key := fmt.Sprintf("key %02d \x00{|}\xff", i)
		if i%8 == 7 {
			key = fmt.Sprintf("plain%d", i)
		}
		a := sluice.Amendment{Bar: &sluice.Bar{For: time.Hour, Reason: fmt.Sprint("number ", i)}}
		if i%4 > 0 {
			a.Except = &sluice.Exception{Limits: own, For: time.Duration(i%3) * time.Hour}
		}
		if i%4 == 2 {
			a.Bar = nil
		}
		st := amend(policy, key, a)
		for kind, listed := range []bool{a.Bar != nil, a.Except != nil} {
			if listed {
				want[kind][key] = st
			}
		}
	}
	amend(policy, "lifted", sluice.Amendment{Bar: &sluice.Bar{For: time.Hour}, Except: &sluice.Exception{Limits: own}})
	amend(policy, "lifted", sluice.Amendment{Unbar: true, Unexcept: true})
	amend(policy, "over", sluice.Amendment{
		Bar: &sluice.Bar{For: time.Hour}, Except: &sluice.Exception{Limits: own, For: time.Hour},
		At: sluice.Tick(time.Now().Add(-2 * time.Hour).UnixMicro()), // the store keeps it for a while yet
	})
	amend(other, "of another policy", sluice.Amendment{Bar: &sluice.Bar{For: time.Hour}})
	if _, err := s.harness.Store().Check(ctx, sluice.Request{Policy: &sluice.Policy{Name: policy, Limits: own}, Key: "counters only", Cost: 1}); err != nil {
		t.Fatal(err)
	}
	for kind, want := range want {
		for _, most := range []int{1, 3, 7, 1000} {
			got := s.listAll(t, policy, kind == 1, most, func(i int) {
				amend(policy, fmt.Sprint("passing ", i), sluice.Amendment{Bar: &sluice.Bar{For: time.Hour, Reason: "passing"}})
				amend(policy, fmt.Sprint("passing ", i-1), sluice.Amendment{Unbar: true})
			})
			for key := range got {
				if _, known := want[key]; !known && (got[key].Block == nil || got[key].Block.Reason != "passing") {
					t.Errorf("pages of %d: %q is listed: %s", most, key, describeStanding(got[key]))
				}
			}
			for key, st := range want {
				if !sameStanding(got[key], st) {
					t.Errorf("pages of %d: %q is %s, want %s", most, key, describeStanding(got[key]), describeStanding(st))
				}
			}
		}
	}
}

// listAll returns all that a list has, and does something between two pages.
func (s *suite) listAll(t rapid.TB, policy string, overrides bool, most int, between func(i int)) map[string]sluice.Standing {
	ctx, cancel := call()
	defer cancel()
	all := make(map[string]sluice.Standing)
	l := sluice.List{Policy: policy, Overrides: overrides, Most: most}
	for i := 1; ; i++ {
		page, err := s.harness.Store().List(ctx, l)
		if err != nil {
			t.Fatalf("%+v: %v", l, err)
		}
		if len(page.Entries) > most {
			t.Fatalf("%+v: %d entries", l, len(page.Entries))
		}
		for _, e := range page.Entries {
			if _, twice := all[e.Key]; twice && e.Standing.Block != nil && e.Standing.Block.Reason != "passing" {
				t.Errorf("pages of %d: %q is listed twice", most, e.Key)
			}
			all[e.Key] = e.Standing
		}
		if page.Cursor == "" {
			return all
		}
		if i > 1000 {
			t.Fatalf("pages of %d have no end", most)
		}
		l.Cursor = page.Cursor
		between(i)
	}
}

// testListOfPenalties: a key that a penalty bars is listed, in a moment at the latest.
func (s *suite) testListOfPenalties(t rapid.TB) {
	ctx, cancel := call()
	defer cancel()
	policy := &sluice.Policy{
		Name: s.policyName(), Limits: []sluice.Limit{sluice.PerDay(1)},
		Penalty: &sluice.Penalty{After: 1, Within: time.Minute, For: time.Hour},
	}
	keys := []string{"a", "b", "c"}
	for _, key := range keys {
		if _, err := s.harness.Store().Check(ctx, sluice.Request{Policy: policy, Key: key, Cost: 2}); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline) && len(got) < len(keys); time.Sleep(time.Millisecond) {
		got = nil
		for key, st := range s.listAll(t, policy.Name, false, 2, func(int) {}) {
			if st.Block == nil || !st.Block.Penalty {
				t.Fatalf("%q is listed as %s", key, describeStanding(st))
			}
			got = append(got, key)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, keys) {
		t.Errorf("barred are %q, want %q", got, keys)
	}
}

// testAwkwardStandings: the standing of a key is that of no other, whatever bytes they have.
func (s *suite) testAwkwardStandings(t rapid.TB) {
	ctx, cancel := call()
	defer cancel()
	name := s.policyName()
	policy := &sluice.Policy{Name: name, Limits: []sluice.Limit{sluice.PerDay(1)}}
	keys := awkwardKeys(name)
	for i, key := range keys {
		a := sluice.Amendment{Policy: name, Key: key, At: noon, Bar: &sluice.Bar{For: time.Hour, Reason: fmt.Sprint(i)}}
		if st, err := s.harness.Store().Amend(ctx, a); err != nil || st.Block == nil || st.Block.Reason != a.Bar.Reason {
			t.Errorf("%s: %s, error %v", change(a), describeStanding(st), err)
		}
	}
	for i, key := range keys {
		d, err := s.harness.Store().Check(ctx, sluice.Request{Policy: policy, Key: key, Cost: 1, At: noon})
		if b, barred := d.Blocked(); err != nil || !barred || b.Reason != fmt.Sprint(i) {
			t.Errorf("%.40q: barred %t because of %q, error %v, want number %d", key, barred, b.Reason, err, i)
		}
		if err := s.harness.ForgetStanding(ctx, name, key); err != nil {
			t.Errorf("%.40q: %v", key, err)
		}
	}
}
