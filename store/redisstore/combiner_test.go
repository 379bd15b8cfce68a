package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/memstore"
	"github.com/sluice-project/sluice/store/redisstore"
)

// late is how much longer than its deadline a call may take on a machine that runs a whole test suite. What is shown is
// that a call does not last as long as the others' deadlines, which are much later.
const late = time.Second

// TestEveryChargeIsAccountedFor has many callers give up at random. What was allowed was charged, what is uncertain may
// have been, and nothing else was.
func TestEveryChargeIsAccountedFor(t *testing.T) {
	t.Parallel()
	client := newClient(t, redistest.Start(t, redistest.Options{}).URL())
	l := newLimiter(t, client, redisstore.Config{Timeout: patient}, sluice.PerDay(sluice.MaxCount))
	var allowed, unsure, unsent atomic.Int64
	count := func(err error, cost int64) {
		switch {
		case err == nil:
			allowed.Add(cost)
		case errors.Is(err, sluice.ErrUncertain):
			unsure.Add(cost)
		case errors.Is(err, sluice.ErrNotSent):
			unsent.Add(cost)
		default:
			t.Errorf("check: %v", err)
		}
	}
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			for range 200 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(3000))*time.Microsecond)
				if rand.IntN(4) > 0 {
					d, err := l.Check(ctx, "k", 1)
					if err == nil && !d.Allowed {
						t.Errorf("refused: %v", d)
					}
					count(err, 1)
				} else {
					results := l.CheckAll(ctx, []sluice.Ask{{Key: "k", Cost: 2}, {Key: "other", Cost: 1}, {Key: "k", Cost: 3}})
					count(results[0].Err, 2)
					count(results[2].Err, 3)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	d, err := l.Peek(t.Context(), "k") // behind a call that everybody has left
	if err != nil {
		t.Fatal(err)
	}
	if charged := sluice.MaxCount - d.Remaining; charged < allowed.Load() || charged > allowed.Load()+unsure.Load() {
		t.Errorf("charged %d, want %d that were allowed and at most %d more that are uncertain", charged, allowed.Load(), unsure.Load())
	}
	if allowed.Load() == 0 || unsent.Load() == 0 {
		t.Errorf("allowed %d, uncertain %d, not sent %d: the deadlines show nothing", allowed.Load(), unsure.Load(), unsent.Load())
	}
}

// TestNothingUnsentIsCharged freezes Redis: of all callers two calls' worth may be charged, the others never.
func TestNothingUnsentIsCharged(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	l := newLimiter(t, newClient(t, server.URL()), redisstore.Config{Timeout: patient}, sluice.PerDay(1000))
	expect(t, l, "k", 1, 999)
	server.Pause(t)
	var unsure, unsent atomic.Int64
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			deadline := time.Duration(100+i%50) * time.Millisecond
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			start := time.Now()
			_, err := l.Check(ctx, "k", 1)
			switch {
			case errors.Is(err, sluice.ErrUncertain) && errors.Is(err, context.DeadlineExceeded):
				unsure.Add(1)
			case errors.Is(err, sluice.ErrNotSent) && errors.Is(err, context.DeadlineExceeded):
				unsent.Add(1)
			default:
				t.Errorf("a check on a frozen server: %v", err)
			}
			if took := time.Since(start); took > deadline+late {
				t.Errorf("a check with a deadline of %v took %v", deadline, took)
			}
		})
	}
	wg.Wait()
	server.Continue(t)
	d, err := l.Peek(t.Context(), "k")
	if err != nil || d.Remaining > 999 || d.Remaining < 999-unsure.Load() {
		t.Errorf("%d uncertain and %d not sent, then %v, %v", unsure.Load(), unsent.Load(), d, err)
	}
	if unsent.Load() == 0 {
		t.Error("every check was sent: nothing was shown")
	}
}

func TestCancellationEndsACheck(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	l := newLimiter(t, newClient(t, server.URL()), redisstore.Config{Timeout: patient}, sluice.PerDay(1000))
	server.Pause(t)
	defer server.Continue(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	start := time.Now()
	if _, err := l.Check(ctx, "k", 1); !errors.Is(err, context.Canceled) || !errors.Is(err, sluice.ErrUncertain) {
		t.Errorf("a check that was sent and cancelled: %v, want ErrUncertain and context.Canceled", err)
	}
	if took := time.Since(start); took > late {
		t.Errorf("it took %v, want about 20ms", took)
	}
}

func TestFullQueue(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	l := newLimiter(t, newClient(t, server.URL()), redisstore.Config{Timeout: 2 * time.Second}, sluice.PerDay(1000))
	server.Pause(t)
	var full atomic.Int64
	var wg sync.WaitGroup
	for range 80 {
		wg.Go(func() {
			for _, r := range l.CheckAll(t.Context(), make1000Asks()) {
				if r.Err == nil {
					t.Errorf("allowed by a frozen server: %v", r.Decision)
				} else if strings.Contains(r.Err.Error(), "too many checks are waiting") && errors.Is(r.Err, sluice.ErrNotSent) {
					full.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got := full.Load(); got < 80_000-66_000 {
		t.Errorf("of 80,000 checks %d found the queue full, want all but 65,536 and one call", got)
	}
	server.Continue(t)
	expect(t, l, "afterwards", 1, 999)
}

func make1000Asks() []sluice.Ask {
	asks := make([]sluice.Ask, 1000)
	for i := range asks {
		asks[i] = sluice.Ask{Key: fmt.Sprint(i), Cost: 1}
	}
	return asks
}

// TestOrderOfOneKey asks for more than one call can hold, under two policies of one name.
func TestOrderOfOneKey(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{
		"single":  redistest.Start(t, redistest.Options{}).URL(),
		"cluster": redistest.StartCluster(t).URL(),
	} {
		store, err := redisstore.New(newClient(t, url), redisstore.Config{Timeout: patient})
		if err != nil {
			t.Fatal(err)
		}
		policies := []*sluice.Policy{
			{Name: "p", Limits: []sluice.Limit{sluice.PerDay(900)}},
			{Name: "p", Limits: []sluice.Limit{sluice.PerDay(900)}},
		}
		reqs := make([]sluice.Request, 1000)
		for i := range reqs {
			reqs[i] = sluice.Request{Policy: policies[i/3%2], Key: "k", Cost: 1}
		}
		for i, r := range store.CheckAll(t.Context(), reqs) {
			if want := max(0, 899-int64(i)); r.Err != nil || r.Decision.Allowed != (i < 900) || r.Decision.Remaining != want {
				t.Fatalf("%s: check %d: %v, %v, want %d remaining", name, i, r.Decision, r.Err, want)
			}
		}
	}
}

// TestNoCallIsLong asks a Cluster for more checks of one key than share a call elsewhere: there, too, no call has more. They
// are decided in their order, and a penalty that begins in one of them holds in the next.
func TestNoCallIsLong(t *testing.T) {
	t.Parallel()
	const checks, refusals, calls = 600, 400, 3
	cluster := redistest.StartCluster(t)
	store := newStore(t, newClient(t, cluster.URL()), redisstore.Config{Timeout: patient})
	policy := &sluice.Policy{
		Name: "p", Limits: []sluice.Limit{sluice.PerDay(1)},
		Penalty: &sluice.Penalty{After: refusals, Within: time.Hour, For: time.Hour},
	}
	req := sluice.Request{Policy: policy, Key: "k", Cost: 2}
	if _, err := store.Check(t.Context(), sluice.Request{Policy: policy, Key: "k", Cost: 1}); err != nil { // so that the script is known
		t.Fatal(err)
	}
	count := func() (n int) {
		for _, node := range cluster.Nodes {
			stats := node.Do(t, "INFO", "commandstats").(string)
			if _, after, found := strings.Cut(stats, "cmdstat_evalsha:calls="); found {
				calls, _, _ := strings.Cut(after, ",")
				more, err := strconv.Atoi(calls)
				if err != nil {
					t.Fatal(err)
				}
				n += more
			}
		}
		return n
	}
	before := count()
	for i, r := range store.CheckAll(t.Context(), slices.Repeat([]sluice.Request{req}, checks)) {
		if _, barred := r.Decision.Blocked(); r.Err != nil || r.Decision.Allowed || barred != (i >= refusals-1) {
			t.Fatalf("check %d: %v, %v, barred %t, want it barred from the refusal number %d on", i, r.Decision, r.Err, barred, refusals)
		}
	}
	if got := count() - before; got != calls {
		t.Errorf("%d checks of one key are %d calls, want %d", checks, got, calls)
	}
}

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

// TestFrozenNodeOfACluster looks whether keys of the other nodes are decided as ever.
func TestFrozenNodeOfACluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	client := newClient(t, cluster.URL())
	l := newLimiter(t, client, redisstore.Config{Timeout: 2 * time.Second}, sluice.PerDay(1_000_000))
	node := map[string]int{} // where each key is
	for i := range 30 {
		key := fmt.Sprint("k", i)
		expect(t, l, key, 1, 999_999)
		for n, s := range cluster.Nodes {
			found, _ := s.Do(t, "KEYS", "sluice:{api|"+key+"}").([]any)
			if len(found) == 1 {
				node[key] = n
			}
		}
	}
	cluster.Nodes[2].Pause(t)
	defer cluster.Nodes[2].Continue(t)
	var wg sync.WaitGroup
	for key, n := range node {
		wg.Go(func() {
			for range 20 {
				_, err := l.Check(t.Context(), key, 1)
				if (err != nil) != (n == 2) {
					t.Errorf("a key of node %d while node 2 is frozen: %v", n, err)
				}
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestClusterThatLooksSingle asks a node as if it were alone: calls for several keys are refused there, and made apart.
func TestClusterThatLooksSingle(t *testing.T) {
	t.Parallel()
	option, err := redisstore.ClientOption("redis://" + redistest.StartCluster(t).Nodes[0].Addr())
	if err != nil {
		t.Fatal(err)
	}
	option.ForceSingleClient = true
	client, err := rueidis.NewClient(option)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	l := newLimiter(t, client, redisstore.Config{Timeout: patient}, sluice.PerHour(5))
	var mine []sluice.Ask
	for i := range 100 {
		if key := fmt.Sprint(i); len(mine) < 20 {
			if _, err := l.Peek(t.Context(), key); err == nil { // the others are MOVED
				mine = append(mine, sluice.Ask{Key: key, Cost: 2})
			}
		}
	}
	for range 2 {
		for i, r := range l.CheckAll(t.Context(), mine) {
			if r.Err != nil || !r.Decision.Allowed {
				t.Errorf("key %s: %v, %v", mine[i].Key, r.Decision, r.Err)
			}
		}
	}
}

// TestCrowdBeforeOneKey has a crowd ask for one key as fast as it can. Who asks for another key waits for those who came
// before him, and no longer than a caller of the crowd does.
func TestCrowdBeforeOneKey(t *testing.T) {
	t.Parallel()
	const crowd, checks = 3000, 100
	l := newLimiter(t, newClient(t, redistest.Start(t, redistest.Options{}).URL()), redisstore.Config{Timeout: patient}, sluice.PerDay(sluice.MaxCount))
	var stop atomic.Bool
	var made atomic.Int64
	var wg sync.WaitGroup
	for range crowd {
		wg.Go(func() {
			for !stop.Load() {
				if _, err := l.Check(t.Context(), "hot", 1); err != nil {
					t.Errorf("hot: %v", err)
					return
				}
				made.Add(1)
			}
		})
	}
	for made.Load() < crowd { // all are there
		runtime.Gosched()
	}
	before := made.Load()
	for i := range checks {
		if _, err := l.Check(t.Context(), fmt.Sprint("rare", i), 1); err != nil {
			t.Errorf("rare: %v", err)
		}
	}
	of := made.Load() - before
	stop.Store(true)
	wg.Wait()
	// Each check waits for as many of the crowd as were before it in the queue, which is all at most, and for the calls
	// that were under way. Half as many again are for callers that wake up late.
	if most := int64(checks * (crowd + 4*256) * 3 / 2); of > most {
		t.Errorf("%d checks of the crowd were decided while another caller made %d, want %d at most", of, checks, most)
	}
}

// TestFrozenServerCostsNoMemory has callers give up on a frozen server again and again: what they leave behind does not
// grow with their number.
func TestFrozenServerCostsNoMemory(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	l := newLimiter(t, newClient(t, server.URL()), redisstore.Config{Timeout: time.Minute}, sluice.PerDay(1000))
	expect(t, l, "k", 1, 999)
	server.Pause(t)
	defer server.Continue(t)
	held := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	give := func(checks int) {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				for range checks / 50 {
					ctx, cancel := context.WithTimeout(t.Context(), 300*time.Microsecond)
					if _, err := l.Check(ctx, "k", 1); !errors.Is(err, sluice.ErrNotSent) && !errors.Is(err, sluice.ErrUncertain) {
						t.Errorf("on a frozen server: %v", err)
					}
					cancel()
				}
			})
		}
		wg.Wait()
	}
	give(2000)
	before := held()
	give(50_000)
	if after := held(); after > before+2<<20 {
		t.Errorf("50,000 checks that were given up hold %d bytes", after-before)
	}
}

// TestSlots compares the slots by which checks gather with those of a Cluster's node.
func TestSlots(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	store := newStore(t, newClient(t, cluster.URL()), redisstore.Config{Timeout: patient})
	for _, key := range []string{"a", "user:000000042", "\x00\xff", "{x}", "#", strings.Repeat("long", 300), "123456789"} {
		policy := &sluice.Policy{Name: "api", ResetAt: 7}
		if got, want := store.Slot("api", key), cluster.Nodes[0].Do(t, "CLUSTER", "KEYSLOT", store.StateKey(policy, key)); int64(got) != want {
			t.Errorf("the slot of %q is %d, want %d", key, got, want)
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

// TestFrozenServerHoldsNoCrowd has more callers ask a frozen server than can be sent in the time that they have.
func TestFrozenServerHoldsNoCrowd(t *testing.T) {
	t.Parallel()
	const timeout = 300 * time.Millisecond
	server := redistest.Start(t, redistest.Options{})
	l := newLimiter(t, newClient(t, server.URL()), redisstore.Config{Timeout: timeout}, sluice.PerDay(1000))
	expect(t, l, "k", 1, 999)
	server.Pause(t)
	defer server.Continue(t)
	var wg sync.WaitGroup
	for range 5000 {
		wg.Go(func() {
			begun := time.Now()
			_, err := l.Check(context.Background(), "k", 1)
			if took := time.Since(begun); !errors.Is(err, context.DeadlineExceeded) || took > timeout+late {
				t.Errorf("after %s: %v, want context.DeadlineExceeded within %s", took, err, timeout)
			}
		})
	}
	wg.Wait()
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
