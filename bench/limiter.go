package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ask asks a limiter for one unit for a key. It is safe for concurrent use.
type ask func(ctx context.Context, key string) (allowed bool, err error)

// limiter is one of those that are compared.
type limiter struct {
	name string
	ours bool
	// yardstick says that it decides nothing: it is there to be compared with, and no rival.
	yardstick bool
	// goroutines limits it to the loads of so many, 0 to none.
	goroutines int
	// batch is how many keys one ask is about: the one that it is called with and those that follow it. 0 is one.
	batch int
	// keys is how many keys it is asked for, 0 for as many as its contest has.
	keys int
	// open returns the limiter. Those on Redis ask through the clients of the scope; the others ignore them and remember
	// nothing from one opening to the next.
	open func(s *scope, a allowance) (ask, error)
}

// decisions returns how many decisions one ask is.
func (l limiter) decisions() int { return max(1, l.batch) }

// scope is what an open limiter uses, and what ends with it.
type scope struct {
	clients
	// cpu returns how much processor time the server that decides has used; nil where the limiter is in this process.
	cpu func() (time.Duration, error)
	// grpc is where the server answers by Envoy's protocol, and remaining asks there for one unit and says what is left.
	grpc      string
	remaining func(ctx context.Context, key string) (allowed bool, left int64, err error)
	ends      []func()
}

// atEnd notes what is to be done when the limiter is not asked any more.
func (s *scope) atEnd(do func()) { s.ends = append(s.ends, do) }

// end undoes what the limiter began, the last first.
func (s *scope) end() {
	for _, do := range slices.Backward(s.ends) {
		do()
	}
	s.ends = nil
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
	// lasting is for keys that shall not expire while they are measured: what they have used comes back in days.
	lasting = allowance{burst: 500_000_000, perDay: 1}
	// few is by what each limiter must show that it counts.
	few = allowance{burst: 5, perDay: 5}
	// spent is what an abuser has used up.
	spent = allowance{burst: 1, perDay: 1}
)

const (
	spreadKeys   = 10_000
	memoryKeys   = 100_000
	verifiedKeys = 1_000
	keyBytes     = 27
)

// keyList is different keys of 27 bytes, one after the other in one text: millions of them are nothing for the garbage
// collector to look at.
type keyList string

func makeKeys(n int) keyList {
	var text strings.Builder
	text.Grow(n * keyBytes)
	for i := range n {
		fmt.Fprintf(&text, "tenant:%06d:user:%08d", i%97, i)
	}
	return keyList(text.String())
}

func (k keyList) len() int { return len(k) / keyBytes }

func (k keyList) at(i int) string { return string(k[i*keyBytes : (i+1)*keyBytes]) }

func (k keyList) first(n int) keyList { return k[:n*keyBytes] }

// each returns one key of so many, from the first on.
func (k keyList) each(of int) []string {
	var keys []string
	for i := 0; i < k.len(); i += of {
		keys = append(keys, k.at(i))
	}
	return keys
}

// following returns a function that finds a key of the first n and those that follow it, the first again after the last.
func following(n, batch int) func(key string) ([]string, error) {
	keys := makeKeys(n)
	ring := (keys + keys.first(batch)).each(1)
	return func(key string) ([]string, error) {
		i, err := strconv.Atoi(key[len(key)-8:])
		if err != nil || i >= n || ring[i] != key {
			return nil, fmt.Errorf("the key %q is none of the first %d", key, n)
		}
		return ring[i : i+batch], nil
	}
}

// verify opens the limiter with few units and returns an error unless it counts them.
func (l limiter) verify(ctx context.Context, c clients) error {
	if l.yardstick {
		return nil
	}
	s := &scope{clients: c}
	defer s.end()
	ask, err := l.open(s, few)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	keys := makeKeys(verifiedKeys).each(l.decisions()) // of batches, such as have no key in common
	if err := verify(ctx, ask, keys, few.burst); err != nil {
		return err
	}
	return s.forget(ctx)
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
