// Command mutants shows that the tests would notice: it applies named faults to a copy of the tree, one after the
// other, and runs the tests that should fail on each.
//
//	go run ./mutants [-root ..] [-only REGEXP] [-share I/N] [-list]
//
// A fault is a replacement of text that must stand in its file exactly once; where it does not, the fault is stale and
// the run fails, as it does where a fault survives its tests, does not build, or its tests fail without it. The tree
// itself is never written to.
//
// It imports the standard library only.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	root := flag.String("root", "..", "the tree whose tests to try")
	only := flag.String("only", "", "regular expression of the faults to apply, by name or file; all by default")
	part := flag.String("share", "", "apply one share of N, such as 2/6, from 0/N to N-1/N; all faults by default")
	list := flag.Bool("list", false, "list the faults and say which are stale, but apply none")
	workers := flag.Int("workers", 2, "faults under way at once")
	flag.Parse()

	chosen, err := choose(*only)
	if err == nil {
		chosen, err = share(chosen, *part)
	}
	switch {
	case err != nil:
	case *list:
		err = show(*root, chosen)
	default:
		err = try(ctx, *root, *workers, chosen)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// choose returns the faults whose name or file the expression matches.
func choose(only string) ([]fault, error) {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return nil, fmt.Errorf("-only: %w", err)
	}
	var chosen []fault
	for _, f := range slices.Concat(algorithmFaults, storeFaults, connectingFaults, standingFaults, leaseFaults, refusedFaults, fleetFaults, libraryFaults, serverFaults, envoyFaults, respFaults, doctorFaults, outageFaults, topologyFaults, fuzzFaults, securityFaults, chaosFaults, clockFaults, rotateFaults, collectorFaults, heapFaults, evidenceFaults, grpcFaults, reachFaults, memoryFaults, strangersFaults, givewayFaults) {
		if wanted.MatchString(f.name) || wanted.MatchString(f.file) {
			chosen = append(chosen, f)
		}
	}
	if chosen == nil {
		return nil, fmt.Errorf("-only: no fault matches %q", only)
	}
	return chosen, nil
}

// share returns one part of the faults. A suite has all its faults in one part, because it is tried without a fault first:
// the suites go, those with the most faults first, each to the part that has the fewest yet.
func share(faults []fault, part string) ([]fault, error) {
	if part == "" {
		return faults, nil
	}
	first, second, _ := strings.Cut(part, "/")
	i, errI := strconv.Atoi(first)
	n, errN := strconv.Atoi(second)
	if errI != nil || errN != nil || i < 0 || i >= n {
		return nil, fmt.Errorf("-share: %q is not I/N, with I from 0 to N-1", part)
	}
	bySuite := make(map[suite][]fault)
	for _, f := range faults {
		bySuite[f.by] = append(bySuite[f.by], f)
	}
	suites := slices.SortedFunc(maps.Keys(bySuite), func(a, b suite) int {
		return cmp.Or(len(bySuite[b])-len(bySuite[a]), strings.Compare(a.String(), b.String()), strings.Compare(a.flags, b.flags))
	})
	sizes := make([]int, n)
	var chosen []fault
	for _, s := range suites {
		least := slices.Index(sizes, slices.Min(sizes))
		sizes[least] += len(bySuite[s])
		if least == i {
			chosen = append(chosen, bySuite[s]...)
		}
	}
	if chosen == nil {
		return nil, fmt.Errorf("-share: %d faults have no share %s", len(faults), part)
	}
	return chosen, nil
}

// show lists the faults; its error is which of them are stale.
func show(root string, faults []fault) error {
	var stale []error
	for _, f := range faults {
		fmt.Println(f)
		if _, _, err := f.find(root); err != nil {
			stale = append(stale, fmt.Errorf("%s: %w", f, err))
		}
	}
	return errors.Join(stale...)
}

// try applies the faults and prints what became of each.
func try(ctx context.Context, root string, workers int, faults []fault) error {
	begun := time.Now()
	var suites []suite
	for _, f := range faults {
		if !slices.Contains(suites, f.by) {
			suites = append(suites, f.by)
		}
	}
	var copies []*tree
	defer func() {
		for _, t := range copies {
			t.remove()
		}
	}()
	for range workers {
		t, err := copyTree(root)
		if err != nil {
			return err
		}
		copies = append(copies, t)
	}

	fmt.Printf("without a fault, %d suites:\n", len(suites))
	if bad := spread(copies, suites, func(t *tree, s suite) string { return t.holds(ctx, s) }); bad > 0 {
		return fmt.Errorf("%d suites fail without a fault: nothing can be said of the faults", bad)
	}
	fmt.Printf("with one fault each, %d faults:\n", len(faults))
	if bad := spread(copies, faults, func(t *tree, f fault) string { return t.notices(ctx, f) }); bad > 0 {
		return errors.Join(ctx.Err(), fmt.Errorf("%d of %d faults were not killed", bad, len(faults)))
	}
	fmt.Printf("all %d faults killed in %s\n", len(faults), time.Since(begun).Round(time.Second))
	return ctx.Err()
}

// spread does a piece of work for every item, one at a time in each copy, prints a line for each, and returns how many
// went wrong: those of which the work says what.
func spread[T fmt.Stringer](copies []*tree, items []T, work func(*tree, T) string) (bad int) {
	queue := make(chan T)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, t := range copies {
		wg.Go(func() {
			for item := range queue {
				begun := time.Now()
				wrong := work(t, item)
				mu.Lock()
				word := "ok  "
				if wrong != "" {
					word = "FAIL"
					bad++
				}
				fmt.Printf("%s %5.1fs  %s\n", word, time.Since(begun).Seconds(), item)
				if wrong != "" {
					fmt.Printf("             %s\n", wrong)
				}
				mu.Unlock()
			}
		})
	}
	for _, item := range items {
		queue <- item
	}
	close(queue)
	wg.Wait()
	return bad
}
