package respapi_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/server/respapi"
	"github.com/sluice-project/sluice/store/memstore"
)

// numbers are the five of an answer to CL.THROTTLE.
func numbers(limited, limit, remaining, retry, reset int64) any {
	return []any{limited, limit, remaining, retry, reset}
}

// TestThrottle goes through what redis-cell is asked and answers, at instants of its own.
func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openWires(t, nil, respapi.Config{}).dial()
		begin := time.Now()
		for _, step := range []struct {
			at    time.Duration
			words string
			want  any
		}{
			// Five at once, and one a second: the cases of redis-cell's own tests.
			{0, "a 4 1 1 6", numbers(1, 5, 5, -1, 0)}, // it can never fit
			{0, "a 4 1 1", numbers(0, 5, 4, -1, 1)},
			{0, "a 4 1 1 1", numbers(0, 5, 3, -1, 2)},
			{0, "a 4 1 1 +1", numbers(0, 5, 2, -1, 3)},
			{0, "a 4 1 1", numbers(0, 5, 1, -1, 4)},
			{0, "a 4 1 1", numbers(0, 5, 0, -1, 5)},
			{0, "a 4 1 1", numbers(1, 5, 0, 1, 5)},
			{3000 * time.Millisecond, "a 4 1 1", numbers(0, 5, 2, -1, 3)},
			{3100 * time.Millisecond, "a 4 1 1", numbers(0, 5, 1, -1, 4)},
			{4000 * time.Millisecond, "a 4 1 1", numbers(0, 5, 1, -1, 4)},
			{8000 * time.Millisecond, "a 4 1 1", numbers(0, 5, 4, -1, 1)},
			{9500 * time.Millisecond, "a 4 1 1", numbers(0, 5, 4, -1, 1)},
			{9500 * time.Millisecond, "a 4 1 1 0", numbers(0, 5, 4, -1, 1)},
			{9500 * time.Millisecond, "a 4 1 1 2", numbers(0, 5, 2, -1, 3)},
			{9500 * time.Millisecond, "a 4 1 1 5", numbers(1, 5, 2, 3, 3)},

			// It is allowed at the very instant at which it fits, and a fraction of a second counts from one millisecond on.
			{10 * time.Second, "edge 0 1 2", numbers(0, 1, 0, -1, 2)},
			{12*time.Second - time.Microsecond, "edge 0 1 2", numbers(1, 1, 0, 0, 0)},
			{12*time.Second - time.Microsecond, "edge 0 1 2 0", numbers(0, 1, 0, -1, 0)},
			{12 * time.Second, "edge 0 1 2", numbers(0, 1, 0, -1, 2)},
			{12*time.Second + 999*time.Millisecond, "edge 0 1 2", numbers(1, 1, 0, 2, 2)},
			{12*time.Second + 999*time.Millisecond + time.Microsecond, "edge 0 1 2", numbers(1, 1, 0, 1, 1)},
			{13 * time.Second, "edge 0 1 2", numbers(1, 1, 0, 1, 1)},

			// Units go back, and never more than were taken.
			{20 * time.Second, "back 9 10 10 7", numbers(0, 10, 3, -1, 7)},
			{20 * time.Second, "back 9 10 10 -2", numbers(0, 10, 5, -1, 5)},
			{20 * time.Second, "back 9 10 10 -100", numbers(0, 10, 10, -1, 0)},
			{20 * time.Second, "back 9 10 10 10", numbers(0, 10, 0, -1, 10)},
			{20 * time.Second, "never-seen 9 10 10 -3", numbers(0, 10, 10, -1, 0)},

			// Whoever lets nobody through says so by a burst below none.
			{30 * time.Second, "shut 0 1 2", numbers(0, 1, 0, -1, 2)},
			{30 * time.Second, "shut -1 1 2", numbers(1, 0, 0, -1, 2)},
			{30 * time.Second, "shut -1 1 2 0", numbers(1, 0, 0, -1, 2)},
			{32 * time.Second, "shut -1 1 2 0", numbers(0, 0, 0, -1, 0)},
			{32 * time.Second, "shut -5 1 2 0", numbers(1, -4, 0, -1, 0)},

			// The greatest numbers that there can be.
			{40 * time.Second, "great 4294967294 4294967295 31622400 4294967295", numbers(0, 4294967295, 0, -1, 31622400)},
			{40 * time.Second, "great 4294967294 4294967295 31622400 1", numbers(1, 4294967295, 0, 1, 31622400)},
			{40 * time.Second, "fast 5999 6000 1 1", numbers(0, 6000, 5999, -1, 0)}, // redis-cell answers 5963
			{40 * time.Second, "slow 4294967294 1 31622400 4294967295", numbers(0, 4294967295, 0, -1, 9007199255)},
		} {
			time.Sleep(step.at - time.Since(begin))
			if diff := cmp.Diff(step.want, c.do("CL.THROTTLE "+step.words)); diff != "" {
				t.Errorf("at %s CL.THROTTLE %s (-want +got):\n%s", step.at, step.words, diff)
			}
		}
	})
}

// TestThrottleFaults has the texts of redis-cell, where it has one.
func TestThrottleFaults(t *testing.T) {
	t.Parallel()
	c := open(t, respapi.Config{}, true).dial()
	const (
		prefix = "Cell error: Store error: "
		usage  = prefix + "Usage: cl.throttle <key> <max_burst> <count per period> <period> [<quantity>]"
	)
	for _, test := range []struct {
		words []string
		want  failure
	}{
		{nil, usage},
		{[]string{"k", "1", "2"}, usage},
		{[]string{"k", "1", "2", "3", "4", "5"}, usage},
		{[]string{"k", "x", "2", "3"}, prefix + "Couldn't parse as integer: x"},
		{[]string{"k", "1", "", "3"}, prefix + "Couldn't parse as integer: "},
		{[]string{"k", "1", "2", "1.5"}, prefix + "Couldn't parse as integer: 1.5"},
		{[]string{"k", "1", "2", "3", "+"}, prefix + "Couldn't parse as integer: +"},
		{[]string{"k", "1", "2", "3", " 1"}, prefix + "Couldn't parse as integer:  1"},
		{[]string{"k", "9223372036854775808", "2", "3"}, prefix + "Couldn't parse as integer: 9223372036854775808"},
		{[]string{"k", "-9223372036854775809", "2", "3"}, prefix + "Couldn't parse as integer: -9223372036854775809"},
		{[]string{"k", "1\r\n+OK\r\n", "2", "3"}, prefix + "Couldn't parse as integer: 1??+OK??"},
		{[]string{"k", "1", "0", "3"}, prefix + "Zero rates are not supported"},
		{[]string{"k", "1", "2", "0"}, prefix + "Zero rates are not supported"},
		{[]string{"k", "9223372036854775807", "1", "1"}, prefix + "The max_burst is 9223372036854775807; it must be 0 to 4294967294"},
		{[]string{"k", "4294967295", "1", "1"}, prefix + "The max_burst is 4294967295; it must be 0 to 4294967294"},
		{[]string{"k", "1", "4294967296", "1"}, prefix + "The count per period is 4294967296; it must be 1 to 4294967295"},
		{[]string{"k", "1", "-1", "1"}, prefix + "The count per period is -1; it must be 1 to 4294967295"},
		{[]string{"k", "1", "1", "31622401"}, prefix + "The period is 31622401; it must be 1 to 31622400 seconds, which are 366 days"},
		{[]string{"k", "1", "1", "-9223372036854775808"}, prefix + "The period is -9223372036854775808; it must be 1 to 31622400 seconds, which are 366 days"},
		{[]string{"k", "1", "1", "1", "4294967296"}, prefix + "The quantity is 4294967296; it must be -4294967295 to 4294967295"},
		{[]string{"k", "1", "1", "1", "-9223372036854775808"}, prefix + "The quantity is -9223372036854775808; it must be -4294967295 to 4294967295"},
		{[]string{"k", "-1", "1", "1", "-1"}, prefix + "The max_burst is -1; it must be 0 or more where units are given back"},
		{[]string{"", "1", "1", "1"}, prefix + "The key has 0 bytes; it must have 1 to 4096"},
		{[]string{strings.Repeat("k", 4097), "1", "1", "1"}, prefix + "The key has 4097 bytes; it must have 1 to 4096"},
	} {
		c.send(command(append([]string{"cl.throttle"}, test.words...)...))
		if got := c.read(); got != test.want {
			t.Errorf("CL.THROTTLE %.40q is answered %q, want %q", test.words, got, test.want)
		}
	}
	c.send(command("CL.THROTTLE", "any \xff\x00\r\n bytes", "0", "1", "60"))
	if diff := cmp.Diff(numbers(0, 1, 0, -1, 60), c.read()); diff != "" {
		t.Errorf("a key of any bytes (-want +got):\n%s", diff)
	}
}

// cell is redis-cell's arithmetic for a key whose numbers stay the same, in exact fractions of a second.
type cell struct{ arrival *big.Rat } // the theoretical arrival time; nil before the first

func (c *cell) throttle(now time.Duration, burst, count, seconds, quantity int64) any {
	at := big.NewRat(int64(now), int64(time.Second))
	interval := big.NewRat(seconds, count)
	times := func(n int64) *big.Rat { return new(big.Rat).Mul(interval, new(big.Rat).SetInt64(n)) }
	full := times(burst + 1)
	arrival := at
	if c.arrival != nil && c.arrival.Cmp(at) > 0 {
		arrival = c.arrival
	}
	next := new(big.Rat).Add(arrival, times(quantity))
	if quantity < 0 && next.Cmp(at) < 0 {
		next = at
	}
	limited, retry := int64(0), int64(-1)
	if early := new(big.Rat).Sub(new(big.Rat).Sub(next, full), at); early.Sign() > 0 && quantity > 0 {
		limited = 1
		if quantity <= burst+1 {
			retry = wholeSeconds(early)
		}
	} else {
		arrival, c.arrival = next, next
	}
	left := new(big.Rat).Sub(arrival, at)
	remaining := new(big.Rat).Quo(new(big.Rat).Sub(full, left), interval)
	whole := new(big.Int).Quo(remaining.Num(), remaining.Denom())
	return numbers(limited, burst+1, whole.Int64(), retry, wholeSeconds(left))
}

// wholeSeconds rounds a time up to whole microseconds, as the stores do, and that as redis-cell does.
func wholeSeconds(t *big.Rat) int64 {
	micro := new(big.Rat).Mul(t, big.NewRat(1_000_000, 1))
	up := new(big.Int).Add(micro.Num(), new(big.Int).Sub(micro.Denom(), big.NewInt(1)))
	n := up.Quo(up, micro.Denom()).Int64()
	if n%1_000_000 >= 1000 {
		return n/1_000_000 + 1
	}
	return n / 1_000_000
}

// TestThrottleModel has random sequences of one key answered as an exact reckoning of redis-cell's rule answers them.
func TestThrottleModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openWires(t, nil, respapi.Config{}).dial()
		begin := time.Now()
		random := rand.New(rand.NewPCG(7, 11))
		limited, given := 0, 0
		for key := range 300 {
			var model cell
			burst, count, seconds := random.Int64N(30), 1+random.Int64N(100), 1+random.Int64N(20)
			for range 25 {
				quantity := random.Int64N(burst+4) - 1
				words := fmt.Sprintf("CL.THROTTLE key:%d %d %d %d %d", key, burst, count, seconds, quantity)
				want := model.throttle(time.Since(begin), burst, count, seconds, quantity)
				if diff := cmp.Diff(want, c.do(words)); diff != "" {
					t.Fatalf("after %s %s (-want +got):\n%s", time.Since(begin), words, diff)
				}
				if want.([]any)[0] == int64(1) {
					limited++
				}
				if quantity < 0 {
					given++
				}
				time.Sleep(time.Duration(random.Int64N(int64(2 * time.Duration(seconds) * time.Second / time.Duration(count)))).Truncate(time.Microsecond))
			}
		}
		if limited < 1000 || given < 100 {
			t.Errorf("%d were refused and %d gave back: too few to show much", limited, given)
		}
	})
}

// TestThrottleOtherNumbers has a key keep what it has used, by whatever numbers it is asked.
func TestThrottleOtherNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openWires(t, nil, respapi.Config{}).dial()
		for _, step := range []struct {
			words string
			want  any
		}{
			{"k 9 10 10 8", numbers(0, 10, 2, -1, 8)},
			{"k 19 10 10 0", numbers(0, 20, 12, -1, 8)}, // a greater burst: more room at once
			{"k 4 10 10 1", numbers(1, 5, 0, 4, 8)},     // a smaller one: the excess is a debt
			{"k 9 20 10 0", numbers(0, 10, 2, -1, 4)},   // twice as fast
			{"k 9 10 100 0", numbers(0, 10, 2, -1, 80)}, // ten times slower
			{"k 9 1000 1 2", numbers(0, 10, 0, -1, 1)},  // and it is charged by what holds now
			{"k 9 1000 1 1", numbers(1, 10, 0, 1, 1)},   // of which the end is a hundredth of a second off
			{"k 4294967294 1 1 0", numbers(0, 4294967295, 4294967285, -1, 10)},
		} {
			if diff := cmp.Diff(step.want, c.do("CL.THROTTLE "+step.words)); diff != "" {
				t.Errorf("CL.THROTTLE %s (-want +got):\n%s", step.words, diff)
			}
		}
	})
}

// failing is a store that fails.
type failing struct {
	*memstore.Store
	err error
}

func (f failing) Check(context.Context, sluice.Request) (sluice.Decision, error) {
	return sluice.Decision{}, f.err
}

func (f failing) CheckInto(context.Context, *sluice.Request, *sluice.Decision) error { return f.err }

func (f failing) CheckAll(_ context.Context, reqs []sluice.Request) []sluice.Result {
	results := make([]sluice.Result, len(reqs))
	for i := range results {
		results[i].Err = f.err
	}
	return results
}

// TestThrottleStoreFails tells the client that nobody knows, as redis-cell's do, who choose for themselves what to do then.
func TestThrottleStoreFails(t *testing.T) {
	t.Parallel()
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		err  error
		want failure
	}{
		{errors.New("redis: gone"), "Cell error: Store error: redis: gone; ask again later"},
		{fmt.Errorf("redis: %w", sluice.ErrUncertain), failure("Cell error: Store error: redis: " + sluice.ErrUncertain.Error() + "; it may be done all the same")},
	} {
		c := openWires(t, failing{store, test.err}, respapi.Config{}).dial()
		if got := c.do("CL.THROTTLE k 1 1 1"); got != test.want {
			t.Errorf("CL.THROTTLE is answered %q, want %q", got, test.want)
		}
		if got := fmt.Sprint(c.do("SL.CHECK api k")); !strings.Contains(got, "error-policy") {
			t.Errorf("SL.CHECK is answered %s, want what on_error says", got)
		}
		if got, ok := c.do("SL.PEEK api k").(failure); !ok || !strings.HasPrefix(string(got), "ERR store: redis: ") {
			t.Errorf("SL.PEEK is answered %q, want the store's error", got)
		}
	}
}

// counting is a store that is asked for several at once, and counts how often.
type counting struct {
	sluice.Store
	calls, checks atomic.Int64
}

func (c *counting) Check(ctx context.Context, req sluice.Request) (sluice.Decision, error) {
	c.calls.Add(1)
	c.checks.Add(1)
	return c.Store.Check(ctx, req)
}

func (c *counting) CheckAll(ctx context.Context, reqs []sluice.Request) []sluice.Result {
	c.calls.Add(1)
	c.checks.Add(int64(len(reqs)))
	return c.Store.CheckAll(ctx, reqs)
}

// TestPipeline has what arrives together decided in one call of the store as far as it is of one kind, and answered in one
// write, in order.
func TestPipeline(t *testing.T) {
	t.Parallel()
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	counts := &counting{Store: store}
	d := openWires(t, counts, respapi.Config{})
	c := d.dial()
	for _, test := range []struct {
		commands      []string
		want          []any
		calls, checks int64
	}{
		{
			[]string{"CL.THROTTLE p 2 1 60", "CL.THROTTLE p 2 1 60", "CL.THROTTLE q 0 1 60", "CL.THROTTLE p 2 x 60", "CL.THROTTLE p 2 1 60", "CL.THROTTLE p 2 1 60"},
			[]any{
				numbers(0, 3, 2, -1, 60), numbers(0, 3, 1, -1, 120), numbers(0, 1, 0, -1, 60),
				failure("Cell error: Store error: Couldn't parse as integer: x"), numbers(0, 3, 0, -1, 180), numbers(1, 3, 0, 60, 180),
			},
			1, 5,
		},
		{
			[]string{"PING", "CL.THROTTLE r 1 1 60", "PING x", "CL.THROTTLE r 1 1 60", "NONE", "ECHO y"},
			[]any{"PONG", numbers(0, 2, 1, -1, 60), "x", numbers(0, 2, 0, -1, 120), failure("ERR unknown command 'NONE', with args beginning with: "), "y"},
			2, 2,
		},
	} {
		calls, checks, writes := counts.calls.Load(), counts.checks.Load(), d.wires.writes.Load()
		var text strings.Builder
		for _, line := range test.commands {
			text.WriteString(command(strings.Fields(line)...))
		}
		c.send(text.String())
		for i, want := range test.want {
			if diff := cmp.Diff(want, c.read()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.commands[i], diff)
			}
		}
		calls, checks, writes = counts.calls.Load()-calls, counts.checks.Load()-checks, d.wires.writes.Load()-writes
		if calls != test.calls || checks != test.checks || writes != 1 {
			t.Errorf("%q were %d checks in %d calls and answered in %d writes, want %d in %d, and 1", test.commands, checks, calls, writes, test.checks, test.calls)
		}
	}
	var text strings.Builder
	for range 64 {
		text.WriteString(command("SL.CHECK", "login", "p"))
	}
	calls, writes := counts.calls.Load(), d.wires.writes.Load()
	c.send(text.String())
	for i := range 64 {
		got := c.read().([]any)
		if allowed := got[1] == int64(1); allowed != (i < 5) {
			t.Errorf("check %d of 5/15m is answered %v", i, got)
		}
	}
	if calls, writes = counts.calls.Load()-calls, d.wires.writes.Load()-writes; calls != 1 || writes != 1 {
		t.Errorf("64 checks took %d calls and %d writes, want one each", calls, writes)
	}
}

// TestThrottleManyRates forgets the rates that were not asked for of late, and no key by that.
func TestThrottleManyRates(t *testing.T) {
	t.Parallel()
	d := open(t, respapi.Config{}, true)
	c := d.dial()
	c.do("CL.THROTTLE kept 9 1 3600 4")
	const rates, batch = 20_000, 500
	for i := range rates / batch {
		var text strings.Builder
		for j := range batch {
			text.WriteString(command("CL.THROTTLE", "k", fmt.Sprint(i*batch+j), "1", "3600", "0"))
		}
		go c.send(text.String())
		for j := range batch {
			want := int64(i*batch + j + 1)
			if got := c.read().([]any); got[1] != want || got[2] != want {
				t.Fatalf("rate %d is answered %v", want, got)
			}
		}
	}
	got, _ := c.do("CL.THROTTLE kept 9 1 3600").([]any)
	if len(got) != 5 { // of which the last tells how long all of this has taken
		t.Fatalf("after %d other rates it is answered %v", rates, got)
	}
	if diff := cmp.Diff([]any{int64(0), int64(10), int64(5), int64(-1)}, got[:4]); diff != "" {
		t.Errorf("after %d other rates (-want +got):\n%s", rates, diff)
	}
}

// TestThrottleShares has the counters of CL.THROTTLE under the documented namespace.
func TestThrottleShares(t *testing.T) {
	t.Parallel()
	d := open(t, respapi.Config{}, true)
	d.dial().do("CL.THROTTLE k 9 1 3600 4")
	limit := sluice.Per(1, time.Hour).WithBurst(10).WithName("throttle")
	a, err := d.engine.CheckInline(t.Context(), engine.Inline{Namespace: respapi.Namespace, Limits: []sluice.Limit{limit}, Key: "k", Peek: true})
	if err != nil || a.Remaining != 6 {
		t.Errorf("by the namespace %s, %d remain, %v; want 6", respapi.Namespace, a.Remaining, err)
	}
}
