package redisstore_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/memstore"
	"github.com/sluice-project/sluice/store/redisstore"
)

// TestOneKeysTroubleIsItsOwn puts keys that cannot be decided between keys that can.
func TestOneKeysTroubleIsItsOwn(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	admin := newClient(t, server.URL())
	rights := strings.Fields("ACL SETUSER limiter on >pw resetkeys ~sluice:* -@all +evalsha +eval +get +mget +exists +set +time +hello +ping") // no PTTL
	if err := do(t, admin, rights...).Error(); err != nil {
		t.Fatal(err)
	}
	client := newClient(t, strings.Replace(server.URL(), "redis://", "redis://limiter:pw@", 1))
	l := newLimiter(t, client, redisstore.Config{Timeout: patient}, sluice.PerHour(5))
	expect(t, l, "full", 5, 0)
	expect(t, l, "log", 5, 0)
	value, err := do(t, admin, "GET", "sluice:{api|log}").ToString()
	if err != nil {
		t.Fatal(err)
	}
	lie := []byte(value)
	lie[len("\x04hour")+1+5+4+4] = 200 // more used than the log accounts for
	for key, value := range map[string]string{"log": string(lie), "foreign": "x"} {
		if err := do(t, admin, "SET", "sluice:{api|"+key+"}", value, "EX", "100").Error(); err != nil {
			t.Fatal(err)
		}
	}
	if err := do(t, admin, "LPUSH", "sluice:{api|list}", "x").Error(); err != nil {
		t.Fatal(err)
	}
	keys := []string{"a", "foreign", "b", "full", "c", "list", "d", "log", "e"}
	asks := make([]sluice.Ask, len(keys))
	for i, k := range keys {
		asks[i] = sluice.Ask{Key: k, Cost: 2}
	}
	for i, r := range l.CheckAll(t.Context(), asks) {
		switch keys[i] {
		case "full":
			if r.Err == nil || errors.Is(r.Err, sluice.ErrUncertain) || errors.Is(r.Err, sluice.ErrForeignState) {
				t.Errorf("%s, whose time to live may not be read: %v, %v, want an error of Redis and nothing charged", keys[i], r.Decision, r.Err)
			}
		case "foreign", "list", "log":
			if !errors.Is(r.Err, sluice.ErrForeignState) {
				t.Errorf("%s: %v, %v, want ErrForeignState", keys[i], r.Decision, r.Err)
			}
		default:
			if r.Err != nil || r.Decision.Remaining != 3 {
				t.Errorf("%s: %v, %v, want 3 remaining", keys[i], r.Decision, r.Err)
			}
		}
	}
}

// TestEqualChecksOfOneKey asks for more in one call than there is, in a run of equal checks.
func TestEqualChecksOfOneKey(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]sluice.Limit{
		"bucket": sluice.PerDay(100).WithBurst(100), "window": sluice.PerDay(100), "fixed": sluice.PerDay(100).WithAlgorithm(sluice.FixedWindow),
	} {
		l := newLimiter(t, newClient(t, redistest.Shared(t).URL()), redisstore.Config{Timeout: patient, Prefix: "equal-" + name + ":"}, limit)
		for i, r := range l.CheckAll(t.Context(), slices.Repeat([]sluice.Ask{{Key: "k", Cost: 3}}, 40)) {
			if want := max(1, 97-3*int64(i)); r.Err != nil || r.Decision.Allowed != (i < 33) || r.Decision.Remaining != want {
				t.Errorf("%s: check %d: %v, %v, want %d remaining", name, i, r.Decision, r.Err, want)
			}
		}
		if d, err := l.Peek(t.Context(), "k"); err != nil || d.Remaining != 1 {
			t.Errorf("%s: afterwards %v, %v, want 1 remaining", name, d, err)
		}
	}
}

// TestSeveralCostsOfOneKey asks for different costs of one key in one call, of a key that is new and of one that is known:
// all that was allowed is charged.
func TestSeveralCostsOfOneKey(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]sluice.Limit{
		"bucket": sluice.PerDay(100).WithBurst(100), "window": sluice.PerDay(100), "fixed": sluice.PerDay(100).WithAlgorithm(sluice.FixedWindow),
	} {
		l := newLimiter(t, newClient(t, redistest.Shared(t).URL()), redisstore.Config{Timeout: patient, Prefix: "costs-" + name + ":"}, limit)
		left := int64(100)
		for range 2 {
			for i, r := range l.CheckAll(t.Context(), []sluice.Ask{{Key: "k", Cost: 1}, {Key: "k", Cost: 20}, {Key: "k", Cost: 3}}) {
				left -= []int64{1, 20, 3}[i]
				if r.Err != nil || !r.Decision.Allowed || r.Decision.Remaining != left {
					t.Errorf("%s: check %d: %v, %v, want %d remaining", name, i, r.Decision, r.Err, left)
				}
			}
			if d, err := l.Peek(t.Context(), "k"); err != nil || d.Remaining != left {
				t.Errorf("%s: afterwards %v, %v, want %d remaining", name, d, err, left)
			}
		}
	}
}

// TestBucketsBesideEachOtherEndApart asks for keys in one call that take different times to fill up again.
func TestBucketsBesideEachOtherEndApart(t *testing.T) {
	t.Parallel()
	client := newClient(t, redistest.Start(t, redistest.Options{}).URL())
	l := newLimiter(t, client, redisstore.Config{Timeout: patient}, sluice.PerHour(60).WithBurst(60))
	costs := map[string]int64{"a": 1, "b": 1, "c": 30, "d": 2}
	var asks []sluice.Ask
	for key, cost := range costs {
		asks = append(asks, sluice.Ask{Key: key, Cost: cost})
	}
	for _, r := range l.CheckAll(t.Context(), asks) {
		if r.Err != nil || !r.Decision.Allowed {
			t.Fatalf("%+v, want it allowed", r)
		}
	}
	for key, cost := range costs {
		ms, err := do(t, client, "PTTL", "sluice:{api|"+key+"}").AsInt64()
		left, want := time.Duration(ms)*time.Millisecond, time.Duration(cost)*time.Minute
		if err != nil || left > want || left < want-patient {
			t.Errorf("after %d units of a minute each %s lives for %v, %v, want %v", cost, key, left, err, want)
		}
	}
}

// TestBucketsBesideOthers has token buckets decided in one call with keys that are barred, that have limits of their own and
// whose values somebody else has written.
func TestBucketsBesideOthers(t *testing.T) {
	t.Parallel()
	client := newClient(t, redistest.Start(t, redistest.Options{}).URL())
	l := newLimiter(t, client, redisstore.Config{Timeout: patient}, sluice.PerDay(9).WithBurst(9))
	if err := l.Block(t.Context(), "barred", time.Hour, "abuse"); err != nil {
		t.Fatal(err)
	}
	if err := l.Override(t.Context(), "own", []sluice.Limit{sluice.PerDay(5)}, 0); err != nil {
		t.Fatal(err)
	}
	for _, foreign := range []string{"RPUSH sluice:{api|list} x", "SET sluice:{api|text} x", "RPUSH sluice:{api|standing}! x"} {
		if err := do(t, client, strings.Fields(foreign)...).Error(); err != nil {
			t.Fatal(err)
		}
	}
	keys := []string{"a", "list", "b", "barred", "own", "text", "standing", "c"}
	for range 2 { // together, and each alone
		for _, key := range keys {
			asks := []sluice.Ask{{Key: key, Cost: 0}, {Key: "d", Cost: 0}}
			check := func(r sluice.Result) {
				switch key {
				case "list", "text", "standing":
					if !errors.Is(r.Err, sluice.ErrForeignState) {
						t.Errorf("%s: %v, %v, want ErrForeignState", key, r.Decision, r.Err)
					}
				case "barred":
					if r.Err != nil || r.Decision.Allowed {
						t.Errorf("%s: %v, %v, want it refused", key, r.Decision, r.Err)
					}
				case "own":
					if r.Err != nil || r.Decision.Limits()[0].Limit.Count() != 5 {
						t.Errorf("%s: %v, %v, want it to have its own limits", key, r.Decision, r.Err)
					}
				default:
					if r.Err != nil || !r.Decision.Allowed {
						t.Errorf("%s: %v, %v, want it allowed", key, r.Decision, r.Err)
					}
				}
			}
			check(l.CheckAll(t.Context(), asks)[0])
			asks[0].Cost, asks[1].Cost = 1, 1
			check(l.CheckAll(t.Context(), asks)[0])
			check(l.CheckAll(t.Context(), asks[:1])[0])
		}
	}
}

// TestAtTheEdge compares with memory where a single tick or a fraction of a unit decides, by the short way through the
// script and, with a limit that only the long one knows, by the other.
func TestAtTheEdge(t *testing.T) {
	t.Parallel()
	memory, err := memstore.New(memstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	store := newStore(t, newClient(t, redistest.Shared(t).URL()), redisstore.Config{Timeout: patient, Prefix: "edge:"})
	const begin = 1_700_000_000_000_000
	long := sluice.PerDay(sluice.MaxCount).WithAlgorithm(sluice.SlidingCounter)
	great := sluice.Per(sluice.MaxCount-2, sluice.MaxPeriod).WithBurst(sluice.MaxCount)
	slow := sluice.Per(1009, sluice.MaxPeriod-time.Millisecond).WithBurst(sluice.MaxCount)
	for name, limits := range map[string][]sluice.Limit{
		"window": {sluice.PerMinute(5)}, "bucket": {sluice.PerMinute(1).WithBurst(5)}, "great": {great}, "great-long": {great, long},
		"slow": {slow}, "slow-long": {slow, long},
		"two": {sluice.PerMinute(1).WithBurst(5), sluice.PerMinute(5)}, "bucket-long": {sluice.PerMinute(1).WithBurst(5), long},
	} {
		policy := &sluice.Policy{Name: name, Limits: limits}
		ask := func(after time.Duration, cost int64, peek bool) {
			t.Helper()
			req := sluice.Request{Policy: policy, Key: "k", Cost: cost, Peek: peek, At: begin + sluice.Tick(after/time.Microsecond)}
			want, err := memory.Check(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := store.Check(t.Context(), req); err != nil || !got.Equal(want) {
				t.Errorf("%s: after %s, cost %d: %v %v, %v, want %v %v", name, after, cost, got, got.Limits(), err, want, want.Limits())
			}
		}
		for i := range int64(20) {
			ask(0, 10_007+i*511, true)
		}
		ask(0, 1, false)
		ask(time.Second, 3, false)
		ask(time.Minute-time.Microsecond, 1, true)
		ask(time.Minute, 1, true)
		ask(time.Minute, 1, false)
		ask(90*time.Second, 1, false)
		ask(121*time.Second, 1, true)
		ask(121*time.Second, 1, false)
		ask(3*time.Minute, 1, true)
		for i := range time.Duration(20) {
			ask(3*time.Minute+i*11*time.Microsecond, 10_007+int64(i)*511, false)
		}
		ask(time.Hour+7*time.Microsecond, sluice.MaxCount/2, false)
		ask(time.Hour+7*time.Microsecond, 1, true)
		for days := range time.Duration(20) {
			ask(days*71*time.Hour+2*time.Hour+13*time.Microsecond, 1000+int64(days), false)
		}
	}
}
