package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// ask asks a limiter for one unit for a key. It is safe for concurrent use.
type ask func(ctx context.Context, key string) (allowed bool, err error)

// limiter is one of those that are compared.
type limiter struct {
	name string
	ours bool
	// crowdOnly limits it to the loads of most goroutines, where it may differ from another one.
	crowdOnly bool
	// open returns the limiter. Those on Redis ask through the clients; the others ignore them and remember nothing from
	// one opening to the next.
	open func(c clients, a allowance) (ask, error)
}

// allowance is what each key may use: burst units at once, of which perDay come back in a day. A limiter that counts in
// windows allows burst units a day.
type allowance struct {
	burst, perDay int
}

var (
	// plenty is what is measured. No run comes near the burst, and units come back slower than any load takes them, one
	// in ten seconds, so that every key has a state to be read and written. A greater burst would be more nanoseconds
	// than throttled can count.
	plenty = allowance{burst: 500_000_000, perDay: 8640}
	// few is by what each limiter must show that it counts.
	few = allowance{burst: 5, perDay: 5}
)

const (
	spreadKeys     = 10_000
	verifiedKeys   = 1_000
	mostGoroutines = 256
)

// makeKeys returns n different keys of 27 bytes.
func makeKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("tenant:%06d:user:%08d", i%97, i)
	}
	return keys
}

// verify asks for more units than there are and returns an error unless each key gets exactly its own, and first.
func verify(ctx context.Context, ask ask, keys []string, units int) error {
	const goroutines = 16
	return forEach(keys, goroutines, func(key string) error { return verifyKey(ctx, ask, key, units) })
}

func verifyKey(ctx context.Context, ask ask, key string, units int) error {
	for n := 1; n <= units+2; n++ {
		allowed, err := ask(ctx, key)
		if err != nil {
			return fmt.Errorf("check %d of a key: %w", n, err)
		}
		if want := n <= units; allowed != want {
			return fmt.Errorf("check %d of a key with a limit of %d: allowed is %t, want %t", n, units, allowed, want)
		}
	}
	return nil
}

// forEach calls a function for every key, by so many goroutines, and returns its errors, of each goroutine the first.
func forEach(keys []string, goroutines int, do func(key string) error) error {
	faults := make([]error, goroutines)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := g; i < len(keys) && faults[g] == nil; i += goroutines {
				faults[g] = do(keys[i])
			}
		})
	}
	wg.Wait()
	return errors.Join(faults...)
}
