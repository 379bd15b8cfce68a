package envoyrls_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/server/envoyrls"
	"github.com/sluice-project/sluice/store/memstore"
)

// file returns a file of the domain d with descriptors, each on a line.
func file(descriptors ...string) string {
	return "domain: d\ndescriptors:\n- " + strings.Join(descriptors, "\n- ") + "\n"
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newDoor(t, envoyrls.Options{}, file(
			"{key: k, rate_limit: {name: n, unit: minute, requests_per_unit: 2}}",
			"{key: k, value: white}",
			"{key: none, rate_limit: {unit: hour, requests_per_unit: 0}}",
			"{key: free, rate_limit: {unlimited: true}}",
			"{key: dark, rate_limit: {unit: week, requests_per_unit: 1}, shadow_mode: true}",
			"{key: files, value: files/*, share_threshold: true, rate_limit: {unit: day, requests_per_unit: 2}}",
			"{key: month, rate_limit: {unit: month, requests_per_unit: 9}}",
			"{key: year, rate_limit: {unit: year, requests_per_unit: 9}}",
		))
		time.Sleep(1500 * time.Millisecond)
		a.ask("OK: OK n2/MINUTE 1 left 59s", "k=a")
		a.ask("OK: OK n2/MINUTE 0 left 59s", "k=a")
		a.ask("OVER_LIMIT: OVER_LIMIT n2/MINUTE 0 left 59s", "k=a")
		a.ask("OVER_LIMIT: OVER_LIMIT n2/MINUTE 0 left 59s, OK n2/MINUTE 1 left 59s", "k=a", "k=b") // and b is charged
		a.ask("OK: OK n2/MINUTE 0 left 59s", "k=b")
		a.ask("OK: OK", "k=white")
		a.ask("OK: OK", "k=a more=1")
		a.ask("OK: OK", "other=a")
		a.ask("OVER_LIMIT: OVER_LIMIT 0/HOUR 0 left 59m59s", "none=a")
		a.ask("OK: OK 0/HOUR 0 left 59m59s", "none=a +0")
		a.ask("OK: OK 4294967295 left", "free=a")
		a.ask("OK: OK 1/WEEK 0 left 119h59m59s", "dark=a") // the week of the epoch begins on Thursday, and it is Saturday
		a.ask("OK: OK 1/WEEK 0 left 119h59m59s", "dark=a")
		a.ask("OK: OK 2/DAY 1 left 23h59m59s", "files=files/a")
		a.ask("OK: OK 2/DAY 0 left 23h59m59s", "files=files/b")
		a.ask("OVER_LIMIT: OVER_LIMIT 2/DAY 0 left 23h59m59s", "files=files/c")
		a.ask("OK: OK 9/MONTH 8 left 551h59m59s, OK 9/YEAR 8 left 8591h59m59s", "month=a", "year=a")
		a.send("OK: OK", request("unknown", "k=a"))
		a.send("Unknown: rate limit domain must not be empty", request("", "k=a"))
		a.send("Unknown: rate limit descriptor list must not be empty", request("d"))
		a.send("InvalidArgument: the request has 1001 descriptors; it may have 1000", request("d", make([]string, 1001)...))
		time.Sleep(59 * time.Second)
		a.ask("OK: OK n2/MINUTE 1 left 1m0s", "k=a")
	})
	newDoor(t, envoyrls.Options{}).ask("Unknown: no rate limit configuration loaded", "k=a")
}

func TestAddends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newDoor(t, envoyrls.Options{}, file(
			"{key: k, rate_limit: {unit: minute, requests_per_unit: 10}}",
			"{key: most, rate_limit: {unit: minute, requests_per_unit: 4294967295}}",
			"{key: rest, rate_limit: {unit: minute, requests_per_unit: 10}, charge_refused: true}",
		))
		req := request("d", "k=a", "k=b +2", "k=c +0")
		req.HitsAddend = 4
		a.send("OK: OK 10/MINUTE 6 left 1m0s, OK 10/MINUTE 8 left 1m0s, OK 10/MINUTE 10 left 1m0s", req)
		a.ask("OVER_LIMIT: OVER_LIMIT 10/MINUTE 0 left 1m0s", "k=a +7")
		a.ask("OK: OK 10/MINUTE 0 left 1m0s", "k=a +6") // the refused addend has taken nothing
		a.ask("OVER_LIMIT: OVER_LIMIT 10/MINUTE 0 left 1m0s", "k=a +0")
		a.ask("OVER_LIMIT: OVER_LIMIT 10/MINUTE 0 left 1m0s", "k=d +9223372036854775808")
		a.ask("OVER_LIMIT: OVER_LIMIT 10/MINUTE 0 left 1m0s", "k=d +18446744073709551615")
		a.ask("OVER_LIMIT: OVER_LIMIT 4294967295/MINUTE 0 left 1m0s", "most=a +4294967296")
		a.ask("OK: OK 4294967295/MINUTE 0 left 1m0s", "most=a +4294967295")
		a.ask("OK: OK 10/MINUTE 9 left 1m0s", "k=d")
		a.ask("OK: OK 10/MINUTE 5 left 1m0s, OK 10/MINUTE 2 left 1m0s", "k=e +5", "k=e +3") // one after the other
		a.ask("OK: OK 10/MINUTE 3 left 1m0s", "rest=a +7")
		a.ask("OVER_LIMIT: OVER_LIMIT 10/MINUTE 0 left 1m0s", "rest=a +7")
		a.ask("OVER_LIMIT: OVER_LIMIT 10/MINUTE 0 left 1m0s", "rest=a +0") // what was left is taken
	})
}

// TestNegativeHits gives back what was taken.
func TestNegativeHits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rules := file(
			"{key: k, rate_limit: {unit: minute, requests_per_unit: 10}}",
			"{key: rest, rate_limit: {unit: minute, requests_per_unit: 10}, charge_refused: true}",
			"{key: none, rate_limit: {unit: minute, requests_per_unit: 0}}",
			"{key: free, rate_limit: {unlimited: true}}",
			"{key: q, quota_mode: true, rate_limit: {unit: minute, requests_per_unit: 1}}",
		)
		a := newDoor(t, envoyrls.Options{}, rules)
		a.ask("OK: OK 10/MINUTE 5 left 1m0s", "k=a +5")
		a.ask("OK: OK 10/MINUTE 10 left 1m0s", "k=a -5")
		a.ask("OK: OK 10/MINUTE 10 left 1m0s", "k=a +0")
		a.ask("OK: OK 10/MINUTE 0 left 1m0s", "k=a +10")
		a.ask("OVER_LIMIT: OVER_LIMIT 10/MINUTE 0 left 1m0s", "k=a")
		a.ask("OK: OK 10/MINUTE 1 left 1m0s", "k=a -") // one, where nobody says how many
		a.ask("OK: OK 10/MINUTE 0 left 1m0s", "k=a")
		req := request("d", "k=a -", "k=a +2", "k=b")
		req.HitsAddend = 3
		a.send("OK: OK 10/MINUTE 3 left 1m0s, OK 10/MINUTE 1 left 1m0s, OK 10/MINUTE 7 left 1m0s", req)
		a.ask("OK: OK 10/MINUTE 10 left 1m0s", "k=a -18446744073709551615") // never more than was taken
		a.ask("OK: OK 10/MINUTE 10 left 1m0s", "k=a -0")
		a.ask("OK: OK 10/MINUTE 4 left 1m0s", "rest=a +6")
		a.ask("OK: OK 10/MINUTE 10 left 1m0s", "rest=a -9")
		a.ask("OK: OK 0/MINUTE 0 left 1m0s, OK 4294967295 left", "none=a -1", "free=a -1")
		a.ask("OK: OK 1/MINUTE 0 left 1m0s", "q=a")
		a.ask("OVER_LIMIT: OVER_LIMIT 1/MINUTE 0 left 1m0s, OK 1/MINUTE 1 left 1m0s", "q=a", "q=b -1") // it is no quota that has room
		for _, onError := range []sluice.ErrorPolicy{sluice.Allow, sluice.Deny} {
			gone := newDoorOf(t, broken{}, envoyrls.Options{OnError: onError}, rules)
			gone.ask("OK: OK", "k=a -1") // nobody has asked to be let through
			gone.ask("OK: OK, OK", "k=a -1", "k=b -1")
		}
	})
}

func TestReplaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newDoor(t, envoyrls.Options{}, file(
			"{key: a, rate_limit: {name: one, unit: minute, requests_per_unit: 1}}",
			"{key: b, rate_limit: {name: two, unit: minute, requests_per_unit: 2, replaces: [{name: one}]}}",
			"{key: c, rate_limit: {unlimited: true, name: three, replaces: [{name: two}]}}",
			"{key: d, rate_limit: {name: four, unit: minute, requests_per_unit: 9, replaces: [{name: three}]}}",
		))
		a.ask("OK: OK, OK two2/MINUTE 1 left 1m0s", "a=", "b=")
		a.ask("OK: OK one1/MINUTE 0 left 1m0s", "a=")             // nothing was taken before
		a.ask("OK: OK, OK, OK 4294967295 left", "a=", "b=", "c=") // what is replaced replaces all the same
		a.ask("OK: OK 4294967295 left, OK, OK", "c=", "b=", "a=")
		a.ask("OK: OK 4294967295 left, OK four9/MINUTE 8 left 1m0s", "c=", "d=")
	})
}

func TestQuotas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rules := file(
			"{key: q, value: a, quota_mode: true, rate_limit: {unit: minute, requests_per_unit: 1}}",
			"{key: q, value: b, quota_mode: true, rate_limit: {unit: minute, requests_per_unit: 2}}",
			"{key: k, rate_limit: {unit: minute, requests_per_unit: 3}}",
			"{key: free, rate_limit: {unlimited: true}}",
		)
		a := newDoor(t, envoyrls.Options{}, rules)
		a.ask("OK: OK 1/MINUTE 0 left 1m0s, OK 2/MINUTE 1 left 1m0s", "q=a", "q=b")
		a.ask("OK: OVER_LIMIT 1/MINUTE 0 left 1m0s, OK 2/MINUTE 0 left 1m0s", "q=a", "q=b")
		a.ask("OVER_LIMIT: OVER_LIMIT 1/MINUTE 0 left 1m0s, OVER_LIMIT 2/MINUTE 0 left 1m0s, OK 3/MINUTE 2 left 1m0s", "q=a", "q=b", "k=a")
		a.ask("OVER_LIMIT: OVER_LIMIT 1/MINUTE 0 left 1m0s", "q=a")
		all := newDoor(t, envoyrls.Options{Quota: true}, rules)
		all.ask("OK: OK 3/MINUTE 0 left 1m0s", "k=a +3")
		all.ask("OK: OVER_LIMIT 3/MINUTE 0 left 1m0s, OK", "k=a", "other=a")
		all.ask("OVER_LIMIT: OVER_LIMIT 3/MINUTE 0 left 1m0s, OK 4294967295 left", "k=a", "free=a")
	})
}

func TestGlobalShadow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newDoor(t, envoyrls.Options{Shadow: true}, file("{key: k, rate_limit: {unit: minute, requests_per_unit: 1}}"))
		a.ask("OK: OK 1/MINUTE 0 left 1m0s", "k=a")
		a.ask("OK: OVER_LIMIT 1/MINUTE 0 left 1m0s", "k=a")
	})
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newDoor(t, envoyrls.Options{}, file("{key: k, shadow_mode: true, rate_limit: {unit: minute, requests_per_unit: 2}}"))
		a.ask("OK: OK 3/MINUTE 2 left 1m0s", "k=a !3/MINUTE")
		a.ask("OK: OK 2/MINUTE 0 left 1m0s", "k=a") // one counter, as upstream
		a.ask("OVER_LIMIT: OVER_LIMIT 1/MINUTE 0 left 1m0s", "k=a !1/MINUTE")
		a.ask("OK: OK 1/HOUR 0 left 1h0m0s", "no=rule of=it !1/HOUR")
		a.ask("OVER_LIMIT: OVER_LIMIT 0/DAY 0 left 24h0m0s", "k=a !0/DAY")
		a.ask("OK: OK 4294967295/YEAR 4294967294 left 8592h0m0s", "k=a !4294967295/YEAR")
		a.send("OK: OK", request("unknown", "k=a !1/MINUTE"))
		for _, unit := range []typev3.RateLimitUnit{typev3.RateLimitUnit_UNKNOWN, 8, 258, -1} {
			req := request("d", "k=a !1/MINUTE")
			req.Descriptors[0].Limit.Unit = unit
			if _, err := a.door.ShouldRateLimit(t.Context(), req); err == nil || !strings.Contains(err.Error(), "InvalidArgument") {
				t.Errorf("the unit %d is answered %v, want InvalidArgument", unit, err)
			}
		}
		for i := range 3000 { // more than are kept made
			req := request("d", "k=many !1/MINUTE +0")
			req.Descriptors[0].Limit.RequestsPerUnit = uint32(i + 1)
			if _, err := a.door.ShouldRateLimit(t.Context(), req); err != nil {
				t.Fatal(err)
			}
		}
		a.ask("OVER_LIMIT: OVER_LIMIT 1/MINUTE 0 left 1m0s", "k=a !1/MINUTE")
	})
}

// TestChangedLimits changes numbers, algorithms and units in the files.
func TestChangedLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newDoor(t, envoyrls.Options{}, file("{key: k, rate_limit: {unit: minute, requests_per_unit: 1}}"))
		a.ask("OK: OK 1/MINUTE 0 left 1m0s", "k=a")
		a.ask("OVER_LIMIT: OVER_LIMIT 1/MINUTE 0 left 1m0s", "k=a")
		a.apply(file("{key: k, rate_limit: {unit: minute, requests_per_unit: 3}}"))
		a.ask("OK: OK 3/MINUTE 1 left 1m0s", "k=a") // at once, and what is used stays used
		a.apply(file("{key: k, rate_limit: {unit: hour, requests_per_unit: 3}}"))
		a.ask("OK: OK 3/HOUR 2 left 1h0m0s", "k=a")
		if err := a.door.Configure(envoyrls.Options{Shadow: true}); err != nil {
			t.Fatal(err)
		}
		a.ask("OK: OVER_LIMIT 3/HOUR 0 left 1h0m0s", "k=a +3")
	})
}

// TestOwnFields asks rules that upstream does not have.
func TestOwnFields(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newDoor(t, envoyrls.Options{}, file(
			"{key: bucket, rate_limit: {unit: minute, requests_per_unit: 6, algorithm: token-bucket, burst: 2}}",
			"{key: sliding, rate_limit: {unit: minute, requests_per_unit: 1, algorithm: sliding-window}}",
			"{key: five, rate_limit: {unit: minute, every: 5, requests_per_unit: 1}}",
		))
		time.Sleep(30 * time.Second)
		a.ask("OK: OK 6/MINUTE 0 left 20s", "bucket=a +2")
		a.ask("OVER_LIMIT: OVER_LIMIT 6/MINUTE 0 left 10s", "bucket=a")
		a.ask("OVER_LIMIT: OVER_LIMIT 6/MINUTE 0 left 20s", "bucket=a +3") // it never fits
		a.ask("OK: OK 1/MINUTE 0 left 1m0s", "sliding=a")
		a.ask("OK: OK 1/MINUTE 0 left 4m30s", "five=a")
		time.Sleep(29 * time.Second)
		a.ask("OVER_LIMIT: OVER_LIMIT 1/MINUTE 0 left 31s", "sliding=a")
		a.ask("OK: OK 1/MINUTE 1 left 0s", "sliding=b +0")
		time.Sleep(4 * time.Minute)
		a.ask("OVER_LIMIT: OVER_LIMIT 1/MINUTE 0 left 1s", "five=a")
	})
}

// TestBytesInKeys asks for descriptors that upstream takes for one, and for long ones.
func TestBytesInKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newDoor(t, envoyrls.Options{}, file(
			"{key: user, rate_limit: {unit: day, requests_per_unit: 1}, descriptors: [{key: ip, rate_limit: {unit: day, requests_per_unit: 1}}]}",
			"{key: a, value: b, rate_limit: {unit: day, requests_per_unit: 1}}",
		))
		long := strings.Repeat("x", 5000)
		for _, text := range []string{"user=a_ip_1", "user=a ip=1", "user=a|ip=1", `user=a\`, "user=" + long, "user=" + long + "y"} {
			a.ask("OK: OK 1/DAY 0 left 24h0m0s", text)
			a.ask("OVER_LIMIT: OVER_LIMIT 1/DAY 0 left 24h0m0s", text)
		}
		a.ask("OK: OK", "a_b=c")
		a.ask("OK: OK", "a=b_c")
	})
}

// broken is a store that fails, or hangs until the caller's time is over.
type broken struct {
	sluice.Store
	hangs bool
}

var errBroken = errors.New("broken")

func (b broken) Check(ctx context.Context, _ sluice.Request) (sluice.Decision, error) {
	if b.hangs {
		<-ctx.Done()
	}
	return sluice.Decision{}, errBroken
}

func (b broken) CheckAll(ctx context.Context, reqs []sluice.Request) []sluice.Result {
	results := make([]sluice.Result, len(reqs))
	for i := range reqs {
		results[i].Decision, results[i].Err = b.Check(ctx, reqs[i])
	}
	return results
}

func TestOnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rules := file("{key: k, rate_limit: {unit: day, requests_per_unit: 1}}", "{key: dark, shadow_mode: true, rate_limit: {unit: day, requests_per_unit: 1}}")
		headers := envoyrls.Headers{Limit: "L"}
		allow := newDoorOf(t, broken{}, envoyrls.Options{Headers: headers}, rules)
		allow.ask("OK: OK", "k=a")
		allow.ask("OK: OK, OK", "k=a", "k=b +0")
		deny := newDoorOf(t, broken{}, envoyrls.Options{OnError: sluice.Deny, Headers: headers}, rules)
		deny.ask("OVER_LIMIT: OVER_LIMIT", "k=a")
		deny.ask("OVER_LIMIT: OVER_LIMIT", "k=a +0")
		deny.ask("OK: OK", "dark=a")
	})
}

// TestAnswerWithinDeadline has a store hang, and a caller who waits as long as Envoy does.
func TestAnswerWithinDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newDoorOf(t, broken{hangs: true}, envoyrls.Options{}, file("{key: k, rate_limit: {unit: day, requests_per_unit: 1}}"))
		for _, patience := range []time.Duration{20 * time.Millisecond, 10 * time.Second} {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			begun := time.Now()
			response, err := a.door.ShouldRateLimit(ctx, request("d", "k=a", "k=b"))
			if err != nil || say(response) != "OK: OK, OK" || ctx.Err() != nil || time.Since(begun) < patience/2 {
				t.Errorf("after %s of %s: %v, %v", time.Since(begun), patience, response, err)
			}
			cancel()
		}
	})
}

// counting is a store that counts how often it is called.
type counting struct {
	sluice.Store
	calls int
}

func (c *counting) Check(ctx context.Context, req sluice.Request) (sluice.Decision, error) {
	c.calls++
	return c.Store.Check(ctx, req)
}

func (c *counting) CheckAll(ctx context.Context, reqs []sluice.Request) []sluice.Result {
	c.calls++
	return c.Store.CheckAll(ctx, reqs)
}

// TestOneBatch shows that all descriptors of a request are one call of the store.
func TestOneBatch(t *testing.T) {
	t.Parallel()
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	counter := &counting{Store: store}
	a := newDoorOf(t, counter, envoyrls.Options{}, file("{key: k, rate_limit: {unit: day, requests_per_unit: 1}}"))
	many := make([]string, 20)
	for i := range many {
		many[i] = "k=" + strings.Repeat("x", i)
	}
	if _, err := a.door.ShouldRateLimit(t.Context(), request("d", many...)); err != nil || counter.calls != 1 {
		t.Errorf("20 descriptors are %d calls of the store, %v, want 1", counter.calls, err)
	}
}
