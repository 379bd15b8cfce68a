package engine_test

import (
	"context"
	"fmt"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/store/memstore"
)

// A policy in the shadow decides and counts but refuses nobody.
func ExampleEngine_Check() {
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	snapshot, err := policy.NewSnapshot([]policy.Policy{
		{Policy: sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerDay(1)}}},
		{Policy: sluice.Policy{Name: "new", Limits: []sluice.Limit{sluice.PerDay(1)}}, Shadow: true},
	}, time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	e := engine.New(store, engine.Config{})
	e.Swap(snapshot)
	for _, name := range []string{"api", "api", "new", "new"} {
		a, err := e.Check(context.Background(), engine.Query{Policy: name, Key: "alice", Cost: 1})
		fmt.Println(name, a.Allowed, a.ShadowDenied, a.DeniedBy(), err)
	}
	// Output:
	// api true false [] <nil>
	// api false false [day] <nil>
	// new true false [] <nil>
	// new true true [day] <nil>
}
