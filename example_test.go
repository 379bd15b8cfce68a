package sluice_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/memstore"
)

func Example() {
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		log.Fatal(err)
	}
	api, err := sluice.New(store, sluice.Policy{
		Name:   "api",
		Limits: []sluice.Limit{sluice.PerHour(2), sluice.PerDay(10_000)},
	})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		d, err := api.Check(context.Background(), "user:42", 1)
		if err != nil {
			log.Fatal(err) // nobody knows; a refusal is no error
		}
		fmt.Println(d.Allowed, d.Remaining, d.DeniedBy())
	}
	// Output:
	// true 1 []
	// true 0 []
	// false 0 [hour]
}

func ExampleParseLimit() {
	for _, text := range []string{"100/minute", "10/s burst 20", "1000/day fixed-window aligned", "10/fortnight"} {
		limit, err := sluice.ParseLimit(text)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(limit, limit.Name(), limit.Algorithm())
	}
	// Output:
	// 100/minute minute sliding-window
	// 10/s burst 20 second token-bucket
	// 1000/day fixed-window aligned day fixed-window
	// limit: "10/fortnight": the period's unit "fortnight" is unknown; it must be one of ms, s (second), m (minute), h (hour), d (day), w (week)
}

func ExampleLimiter_Check_cost() {
	store, _ := memstore.New(memstore.Config{})
	tokens, _ := sluice.New(store, sluice.Policy{Name: "tokens", Limits: []sluice.Limit{sluice.PerDay(1000)}})
	ctx := context.Background()
	for _, cost := range []int64{700, 400, 300, 2000} {
		d, _ := tokens.Check(ctx, "team-a", cost)
		fmt.Printf("%d: allowed %t, remaining %d, never %t\n", cost, d.Allowed, d.Remaining, d.RetryAfter == sluice.Never)
	}
	// Output:
	// 700: allowed true, remaining 300, never false
	// 400: allowed false, remaining 300, never false
	// 300: allowed true, remaining 0, never false
	// 2000: allowed false, remaining 0, never true
}

func ExampleLimiter_Refund() {
	store, _ := memstore.New(memstore.Config{})
	tokens, _ := sluice.New(store, sluice.Policy{Name: "tokens", Limits: []sluice.Limit{sluice.PerDay(1000)}})
	ctx := context.Background()
	d, _ := tokens.Check(ctx, "team-a", 700) // what the answer may take
	fmt.Println(d.Allowed, d.Remaining)
	d, _ = tokens.Refund(ctx, "team-a", 700-420) // it has taken 420
	fmt.Println(d.Allowed, d.Remaining)
	// Output:
	// true 300
	// true 580
}

func ExampleLimiter_Wait() {
	store, _ := memstore.New(memstore.Config{})
	login, _ := sluice.New(store, sluice.Policy{Name: "login", Limits: []sluice.Limit{sluice.PerHour(1)}})
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	fmt.Println(login.Wait(ctx, "alice", 1))

	err := login.Wait(ctx, "alice", 1) // an hour is longer than the second that ctx has left
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// <nil>
	// true
}

func ExampleLimiter_Peek() {
	store, _ := memstore.New(memstore.Config{})
	api, _ := sluice.New(store, sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerHour(1)}})
	ctx := context.Background()
	before, _ := api.Peek(ctx, "alice")
	api.Check(ctx, "alice", 1)
	after, _ := api.Peek(ctx, "alice")
	api.Reset(ctx, "alice")
	again, _ := api.Peek(ctx, "alice")
	fmt.Println(before.Allowed, after.Allowed, again.Allowed)
	// Output: true false true
}

func ExamplePenalty() {
	store, _ := memstore.New(memstore.Config{})
	login, err := sluice.New(store, sluice.Policy{
		Name:    "login",
		Limits:  []sluice.Limit{sluice.PerHour(2)},
		Penalty: &sluice.Penalty{After: 3, Within: time.Minute, For: 15 * time.Minute, Max: 24 * time.Hour},
	})
	if err != nil {
		log.Fatal(err)
	}
	for range 6 {
		d, _ := login.Check(context.Background(), "alice", 1)
		block, barred := d.Blocked()
		fmt.Printf("%t %v %t %q\n", d.Allowed, d.DeniedBy(), barred, block.Reason)
	}
	// Output:
	// true [] false ""
	// true [] false ""
	// false [hour] false ""
	// false [hour] false ""
	// false [hour] true "penalty"
	// false [hour] true "penalty"
}

func ExampleLimiter_Block() {
	store, _ := memstore.New(memstore.Config{})
	api, _ := sluice.New(store, sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerHour(100)}})
	ctx := context.Background()
	if err := api.Block(ctx, "alice", 15*time.Minute, "abuse"); err != nil {
		log.Fatal(err)
	}
	d, _ := api.Check(ctx, "alice", 1)
	block, _ := d.Blocked()
	fmt.Println(d.Allowed, d.DeniedBy(), block.Reason, d.RetryAfter.Round(time.Minute))

	if err := api.Unblock(ctx, "alice"); err != nil {
		log.Fatal(err)
	}
	d, _ = api.Check(ctx, "alice", 1)
	fmt.Println(d.Allowed, d.Remaining)
	// Output:
	// false [] abuse 15m0s
	// true 99
}

func ExampleLimiter_Override() {
	store, _ := memstore.New(memstore.Config{})
	api, _ := sluice.New(store, sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerHour(2)}})
	ctx := context.Background()
	api.Check(ctx, "alice", 2)
	if err := api.Override(ctx, "alice", []sluice.Limit{sluice.PerHour(50)}, 0); err != nil {
		log.Fatal(err)
	}
	d, _ := api.Check(ctx, "alice", 1) // what she has used stays used
	fmt.Println(d.Allowed, d.Remaining)

	standing, _ := api.Standing(ctx, "alice")
	fmt.Println(standing.Override.Limits, standing.Override.Until)
	// Output:
	// true 47
	// [50/hour] 0
}

func ExampleObserve() {
	inner, _ := memstore.New(memstore.Config{})
	store := sluice.Observe(inner, func(_ context.Context, o sluice.Observation) {
		fmt.Println(o.Request.Policy.Name, o.Request.Cost, o.Decision.Allowed, o.Err)
	})
	api, _ := sluice.New(store, sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerHour(1)}})
	api.Check(context.Background(), "alice", 1)
	api.Check(context.Background(), "alice", 1)
	// Output:
	// api 1 true <nil>
	// api 1 false <nil>
}

func ExampleJoinKey() {
	fmt.Println(sluice.JoinKey("203.0.113.7", "/login"))
	fmt.Println(sluice.JoinKey("a|b", "c") == sluice.JoinKey("a", "b|c"))
	// Output:
	// 203.0.113.7|/login
	// false
}
