package redisstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

// amend changes the standing of a key of the policy api.
func amend(t testing.TB, s *redisstore.Store, key string, a sluice.Amendment) sluice.Standing {
	t.Helper()
	a.Policy, a.Key = "api", key
	is, err := s.Amend(t.Context(), a)
	if err != nil {
		t.Fatalf("Amend(%+v): %v", a, err)
	}
	return is
}

var (
	hourlong = sluice.Amendment{Bar: &sluice.Bar{For: time.Hour, Reason: "abuse"}}
	for5     = sluice.Amendment{Except: &sluice.Exception{Limits: []sluice.Limit{sluice.PerHour(5)}}}
	nothing  = sluice.Amendment{Unbar: true, Unexcept: true}
)

// TestForeignStandings finds what Sluice did not write where the record of a standing should be. Counters that are in order
// do not help: nobody knows whether the key is barred.
func TestForeignStandings(t *testing.T) {
	t.Parallel()
	client := newClient(t, redistest.Start(t, redistest.Options{}).URL())
	store := newStore(t, client, redisstore.Config{Timeout: patient})
	policy := &sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerHour(9)}, Penalty: &sluice.Penalty{After: 2, Within: time.Hour, For: time.Hour}}
	record := func(a sluice.Amendment) string {
		amend(t, store, "model", nothing)
		amend(t, store, "model", a)
		value, err := do(t, client, "GET", store.StandingKey("api", "model")).ToString()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	block, override := record(hourlong), record(for5)
	values := []string{
		"7", "hello world", "\x00", "\xff", block[:len(block)-1], block + "x", override[:len(override)-1], override + "\xf0",
		"\xf2\x00\x00\x36\xee\x80\x00\x00\x00\x02\x00\x00\x00\x00\x02\x00", strings.Repeat("\xf1", 300),
	}
	for i, value := range append(values, "a list") {
		key := fmt.Sprint("private-", i)
		place := store.StandingKey("api", key)
		write := []string{"SET", place, value, "EX", "100"}
		if value == "a list" {
			write = []string{"RPUSH", place, value}
		}
		if err := do(t, client, write...).Error(); err != nil {
			t.Fatal(err)
		}
		before, err := do(t, client, "DUMP", place).ToString()
		if err != nil {
			t.Fatal(err)
		}
		_, checked := store.Check(t.Context(), sluice.Request{Policy: policy, Key: key, Cost: 1})
		_, amended := store.Amend(t.Context(), sluice.Amendment{Policy: "api", Key: key, Unbar: true})
		for _, err := range []error{checked, amended} {
			if !errors.Is(err, sluice.ErrForeignState) || errors.Is(err, sluice.ErrUncertain) || strings.Contains(err.Error(), key) {
				t.Errorf("over the record %.20q: %v, want ErrForeignState without the key", value, err)
			}
		}
		if after, err := do(t, client, "DUMP", place).ToString(); after != before || err != nil {
			t.Errorf("the record %.20q has changed, %v", value, err)
		}
		if n, err := do(t, client, "EXISTS", store.StateKey(policy, key)).AsInt64(); n != 0 || err != nil {
			t.Errorf("over the record %.20q something was charged: %d, %v", value, n, err)
		}
		amend(t, store, key, nothing)
		if d, err := store.Check(t.Context(), sluice.Request{Policy: policy, Key: key, Cost: 1}); err != nil || d.Remaining != 8 {
			t.Errorf("over the record %.20q, once it was taken away: %v, %v, want 8 remaining", value, d, err)
		}
	}
}

func TestStandingWithoutExpiryHeals(t *testing.T) {
	t.Parallel()
	client := newClient(t, redistest.Start(t, redistest.Options{}).URL())
	store := newStore(t, client, redisstore.Config{Timeout: patient})
	policy := &sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerHour(9)}}
	life := func(key string) int64 {
		ms, err := do(t, client, "PTTL", store.StandingKey("api", key)).AsInt64()
		if err != nil {
			t.Fatal(err)
		}
		return ms
	}
	for name, look := range map[string]func(key string) error{
		"check": func(key string) error {
			_, err := store.Check(t.Context(), sluice.Request{Policy: policy, Key: key, Cost: 1})
			return err
		},
		"peek": func(key string) error {
			_, err := store.Check(t.Context(), sluice.Request{Policy: policy, Key: key, Cost: 1, Peek: true})
			return err
		},
		"look": func(key string) error {
			_, err := store.Amend(t.Context(), sluice.Amendment{Policy: "api", Key: key})
			return err
		},
	} {
		amend(t, store, name, hourlong)
		if n, err := do(t, client, "PERSIST", store.StandingKey("api", name)).AsInt64(); n != 1 || err != nil {
			t.Fatalf("PERSIST: %d, %v", n, err)
		}
		if err := look(name); err != nil {
			t.Fatal(err)
		}
		if ms := life(name); ms < 3_590_000 || ms > 3_600_000 {
			t.Errorf("after a %s the record lives %d ms, want an hour", name, ms)
		}
		amend(t, store, name, for5)
		if err := look(name); err != nil {
			t.Fatal(err)
		}
		if ms := life(name); ms != -1 {
			t.Errorf("with an override for good the record lives %d ms, want for good", ms)
		}
		amend(t, store, name, sluice.Amendment{Unexcept: true})
		if ms := life(name); ms < 3_590_000 || ms > 3_600_000 {
			t.Errorf("after the override was taken away the record lives %d ms, want an hour", ms)
		}
	}
}

// TestOwnLimitsComeBackAsTheyWere looks whether an override is in Redis with all that a limit has.
func TestOwnLimitsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	client := newClient(t, redistest.Shared(t).URL())
	store := newStore(t, client, redisstore.Config{Timeout: patient, Prefix: "own:"})
	all := []sluice.Limit{
		sluice.PerHour(1), sluice.PerDay(2).WithName("day"), sluice.Per(3, 1001*time.Millisecond).WithName("a.b-c_d"),
		sluice.PerMinute(4).WithBurst(sluice.MaxCount), sluice.PerSecond(5).WithAlgorithm(sluice.TokenBucket),
		sluice.Per(sluice.MaxCount, sluice.MaxPeriod).WithAligned(),
		sluice.Per(7, sluice.MinPeriod).WithAlgorithm(sluice.FixedWindow),
		sluice.PerHour(8).WithAlgorithm(sluice.SlidingCounter).WithName(strings.Repeat("n", 63)),
	}
	same := cmp.Comparer(func(a, b sluice.Limit) bool { return a == b })
	for n := 1; n <= len(all); n++ {
		want := &sluice.Override{Limits: all[:n], Until: 4_000_000_000_000_000}
		got := amend(t, store, "k", sluice.Amendment{Except: &sluice.Exception{Limits: all[:n], Until: want.Until}})
		if diff := cmp.Diff(want, got.Override, same); diff != "" {
			t.Errorf("an override of %d limits (-want +got):\n%s", n, diff)
		}
		req := sluice.Request{Policy: &sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerHour(1)}}, Key: "k", Cost: 1}
		d, err := store.Check(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		var asked []sluice.Limit
		for _, l := range d.Limits() {
			asked = append(asked, l.Limit)
		}
		if diff := cmp.Diff(all[:n], asked, same); diff != "" {
			t.Errorf("the limits of a decision (-want +got):\n%s", diff)
		}
	}
}

// TestResetAt has one key counted under three instants at which all counters were forgotten.
func TestResetAt(t *testing.T) {
	t.Parallel()
	client := newClient(t, redistest.Start(t, redistest.Options{}).URL())
	store := newStore(t, client, redisstore.Config{Timeout: patient})
	policy := func(at sluice.Tick) *sluice.Policy {
		return &sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerHour(5)}, ResetAt: at}
	}
	amend(t, store, "k", sluice.Amendment{Except: &sluice.Exception{Limits: []sluice.Limit{sluice.PerHour(9)}}})
	ask := func(at sluice.Tick, remaining int64) {
		t.Helper()
		d, err := store.Check(t.Context(), sluice.Request{Policy: policy(at), Key: "k", Cost: 1})
		if err != nil || d.Remaining != remaining {
			t.Errorf("under ResetAt %d: %v, %v, want %d remaining", at, d, err, remaining)
		}
	}
	ask(0, 8)
	ask(0, 7)
	ask(1_795_451_411_722_085, 8)
	ask(1_795_451_411_722_086, 8)
	ask(1_795_451_411_722_085, 7)
	ask(0, 6)
	if err := store.Reset(t.Context(), policy(1_795_451_411_722_085), "k"); err != nil {
		t.Error(err)
	}
	ask(1_795_451_411_722_085, 8) // with the limits of the override: a reset leaves that
	ask(1_795_451_411_722_086, 7)
}

// TestStaleChecksBesideOthers asks in one call for what is too late and for what is not, by the clock of Redis.
func TestStaleChecksBesideOthers(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{
		"single":  redistest.Shared(t).URL(),
		"cluster": redistest.StartCluster(t).URL(),
	} {
		store := newStore(t, newClient(t, url), redisstore.Config{Timeout: patient, Prefix: "stale:"})
		policy := &sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerHour(9)}}
		now := sluice.Tick(time.Now().UnixMicro())
		hour := sluice.Tick(time.Hour / time.Microsecond)
		reqs := make([]sluice.Request, 30)
		for i := range reqs {
			reqs[i] = sluice.Request{Policy: policy, Key: fmt.Sprint(i % 5), Cost: 1, Before: []sluice.Tick{0, now - hour, now + hour}[i/5%3]}
		}
		for i, r := range store.CheckAll(t.Context(), reqs) {
			if i/5%3 == 1 {
				if !errors.Is(r.Err, sluice.ErrStale) || errors.Is(r.Err, sluice.ErrUncertain) || errors.Is(r.Err, sluice.ErrNotSent) {
					t.Errorf("%s: request %d, an hour too late: %v, %v, want ErrStale", name, i, r.Decision, r.Err)
				}
			} else if want := []int64{8, 0, 7, 6, 0, 5}[i/5]; r.Err != nil || r.Decision.Remaining != want {
				t.Errorf("%s: request %d: %v, %v, want %d remaining", name, i, r.Decision, r.Err, want)
			}
		}
	}
}

// TestPenaltyInTheMiddleOfACall has one key asked more often in one call than its penalty lets pass.
func TestPenaltyInTheMiddleOfACall(t *testing.T) {
	t.Parallel()
	store := newStore(t, newClient(t, redistest.Shared(t).URL()), redisstore.Config{Timeout: patient, Prefix: "middle:"})
	policy := &sluice.Policy{
		Name: "api", Limits: []sluice.Limit{sluice.PerHour(3)},
		Penalty: &sluice.Penalty{After: 3, Within: time.Minute, For: 2 * time.Hour},
	}
	reqs := make([]sluice.Request, 9)
	for i := range reqs {
		reqs[i] = sluice.Request{Policy: policy, Key: "k", Cost: 1, At: 1_700_000_000_000_000}
	}
	reqs[4].Uncounted = true
	for i, r := range store.CheckAll(t.Context(), reqs) {
		b, barred := r.Decision.Blocked()
		want := sluice.Block{Until: 1_700_007_200_000_000, Reason: sluice.PenaltyReason, Penalty: true}
		if r.Err != nil || r.Decision.Allowed != (i < 3) || barred != (i >= 6) || barred && (b != want || r.Decision.RetryAfter != 2*time.Hour) {
			t.Errorf("check %d: %v, %v, barred %t by %+v", i, r.Decision, r.Err, barred, b)
		}
	}
}

// TestFadedBlocksDoNotCount has an override keep the record of a past block for longer than the block is remembered.
func TestFadedBlocksDoNotCount(t *testing.T) {
	t.Parallel()
	const (
		begin  = 1_700_000_000_000_000
		minute = sluice.Tick(time.Minute / time.Microsecond)
	)
	store := newStore(t, newClient(t, redistest.Shared(t).URL()), redisstore.Config{Timeout: patient, Prefix: "faded:"})
	policy := &sluice.Policy{
		Name: "api", Limits: []sluice.Limit{sluice.PerHour(5)},
		Penalty: &sluice.Penalty{After: 1, Within: time.Minute, For: time.Minute, Max: time.Hour},
	}
	for key, second := range map[string]struct {
		at    sluice.Tick
		lasts time.Duration
	}{
		"remembered": {begin + 61*minute - 1, 2 * time.Minute},
		"faded":      {begin + 61*minute, time.Minute},
	} {
		amend(t, store, key, for5)
		refuse := func(at sluice.Tick, lasts time.Duration) {
			t.Helper()
			d, err := store.Check(t.Context(), sluice.Request{Policy: policy, Key: key, Cost: 6, At: at})
			if b, barred := d.Blocked(); err != nil || !barred || time.Duration(b.Until-at)*time.Microsecond != lasts {
				t.Errorf("%s: %v, %v, barred by %+v; want a block for %s", key, d, err, b, lasts)
			}
		}
		refuse(begin, time.Minute)
		refuse(second.at, second.lasts)
	}
}
