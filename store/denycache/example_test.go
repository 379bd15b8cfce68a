package denycache_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/denycache"
	"github.com/sluice-project/sluice/store/memstore"
)

// A cache of refusals around a store. It is worth its place around one that is asked over a network, such as a
// redisstore.Store; the embedded store stands here for that.
func Example() {
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	cache, err := denycache.New(store, denycache.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = cache.Run(ctx) }) // until it runs, every check goes to the store
	defer running.Wait()
	defer stop()
	time.Sleep(10 * time.Millisecond)

	api, err := sluice.New(cache, sluice.Policy{
		Name: "api", Limits: []sluice.Limit{sluice.PerHour(1)}, DenyCache: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		d, err := api.Check(ctx, "user:42", 1)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(d.Allowed, d.Source)
	}
	if err := api.Reset(ctx, "user:42"); err != nil { // which is seen here at once, and elsewhere within a second
		fmt.Println(err)
		return
	}
	d, err := api.Check(ctx, "user:42", 1)
	fmt.Println(d.Allowed, d.Source, err)
	// Output:
	// true store
	// false store
	// false deny-cache
	// true store <nil>
}
