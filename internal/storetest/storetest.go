// Package storetest is the promises of Sluice as one suite that every store passes: generated sequences of checks whose
// answers are compared with those of a second, slow and obviously right model, and tests of each promise by itself.
//
// [Run] injects the instants that a store decides at, so that a century takes no time; [RunRealTime] runs on the clock,
// over short periods; [Equal] compares two stores with each other.
//
// The package knows nothing of how a store works: it imports the core package, the model and rapid, and no store.
package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/store/lease"
	"pgregory.net/rapid"
)

// Harness is a store with what a test must see and do behind its back. All methods are safe for concurrent use.
//
// Instants are injected by [sluice.Request.At]; they go from 1970 to 2200, forth and back, and real time does not follow
// them. So nothing that a store was told at an injected instant may vanish by itself, however short its time to live:
// the suite says by Forget what has expired. A store that leaves expiry to a clock of its own must, while instants are
// injected, keep state for long enough and subtract in TTL what it has added.
type Harness interface {
	// Store returns the store, always the same.
	Store() sluice.Store
	// TTL returns how long the counters of a policy for a key live from their last write on, and whether there are any.
	// Of the policy, Name and ResetAt matter: counters under another ResetAt are none. The real time that has passed
	// since the write may be missing from the answer. The write was at the instant written; 0 is the store's own clock,
	// by which counters that have expired are none. Those that would live for ever have the life [NoExpiry].
	TTL(ctx context.Context, policy *sluice.Policy, key string, written sluice.Tick) (life time.Duration, exists bool, err error)
	// StandingTTL is TTL for the record of the standing of a key: its block, penalty and override. One that holds an
	// override for good has the life [NoExpiry].
	StandingTTL(ctx context.Context, policy, key string, written sluice.Tick) (life time.Duration, exists bool, err error)
	// Forget deletes the counters of a policy for a key, as their expiry does.
	Forget(ctx context.Context, policy *sluice.Policy, key string) error
	// ForgetStanding deletes the record of the standing of a key, as its expiry does.
	ForgetStanding(ctx context.Context, policy, key string) error
}

// NoExpiry is the life of what no time to live will ever remove.
const NoExpiry time.Duration = -1

// Persister is a [Harness] whose store keeps times to live apart from the state, so that one can get lost.
type Persister interface {
	// Persist takes away the time to live of the counters of a policy for a key.
	Persist(ctx context.Context, policy, key string) error
	// PersistStanding takes away that of the record of its standing.
	PersistStanding(ctx context.Context, policy, key string) error
}

// Sizer is a [Harness] that can say how much a store keeps.
type Sizer interface {
	// Size returns how many bytes the counters of a policy for a key take, without the key.
	Size(ctx context.Context, policy, key string) (bytes int, err error)
}

// rounds is how often [Run] lets rapid generate its number of sequences, 100 unless a flag says otherwise: 10,000.
const rounds = 100

// fewRounds is how often [RunFew] does: 1,000 sequences. So does [Run] under the race detector, by which a sequence takes
// seven times as long: one goroutine plays it, and what goroutines do to each other is shown by other tests, which are
// the same under it.
const fewRounds = rounds / 10

// Run runs the suite. Suites can share a server: each has names of its own for its policies. The flags -rapid.checks
// and -rapid.seed set how many sequences are generated, and which.
func Run(t *testing.T, newHarness func(t *testing.T) Harness) {
	generated := rounds
	if underRace {
		generated = fewRounds
	}
	run(t, newHarness, generated)
}

// RunFew is Run for a store whose arithmetic [Run] has shown already, in another place: with a tenth of the sequences.
func RunFew(t *testing.T, newHarness func(t *testing.T) Harness) { run(t, newHarness, fewRounds) }

func run(t *testing.T, newHarness func(t *testing.T) Harness, generated int) {
	s := newSuite(newHarness(t), generated)
	s.hot = 10 * rounds
	for _, p := range s.promises() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.test(t)
		})
	}
}

// suite is one run over one store.
type suite struct {
	policyNames
	harness Harness
	rounds  int   // of what is generated
	hot     int64 // units of a key that many goroutines ask for
}

func newSuite(h Harness, rounds int) *suite {
	return &suite{policyNames: policyNames{run: rand.Uint32()}, harness: h, rounds: rounds, hot: int64(10 * rounds)}
}

// promise is a test of one thing that a store promises, or of many.
type promise struct {
	name string
	test func(t rapid.TB)
}

func (s *suite) promises() []promise {
	all := []promise{
		{"sequences, first half", s.testSequences},
		{"sequences, second half", s.testSequences},
		{"crowded window", s.testCrowdedWindow},
		{"bound", s.testBound},
		{"all or nothing", s.testAllOrNothing},
		{"time to live", s.testTimeToLive},
		{"wrong clock", s.testWrongClock},
		{"extreme numbers", s.testExtremeNumbers},
		{"batches", s.testBatches},
		{"concurrency", s.testConcurrency},
		{"awkward keys", s.testAwkwardKeys},
		{"reset", s.testReset},
		{"reset at", s.testResetAt},
		{"stale", s.testStale},
		{"refund", s.testRefund},
		{"refund of nothing", s.testRefundOfNothing},
		{"refund under another", s.testRefundUnderAnother},
		{"refund of several", s.testRefundOfSeveral},
		{"refund of the barred", s.testRefundOfTheBarred},
		{"penalty", s.testPenalty},
		{"slow refusals", s.testSlowRefusals},
		{"crowded refusals", s.testCrowdedRefusals},
		{"not counted", s.testNotCounted},
		{"refusals elsewhere", s.testRefusalsElsewhere},
		{"barred", s.testBarred},
		{"unbar", s.testUnbar},
		{"standing, wrong clock", s.testStandingWrongClock},
		{"penalty, concurrency", s.testPenaltyConcurrency},
		{"reset leaves the standing", s.testResetLeavesTheStanding},
		{"override", s.testOverride},
		{"standing, time to live", s.testStandingLife},
		{"standing, awkward keys", s.testAwkwardStandings},
		{"list", s.testList},
		{"list of penalties", s.testListOfPenalties},
	}
	if p, ok := s.harness.(Persister); ok {
		all = append(all, promise{"healing", func(t rapid.TB) { s.testHealing(t, p) }})
		all = append(all, promise{"standing, healing", func(t rapid.TB) { s.testStandingHealing(t, p) }})
	}
	if l, ok := s.harness.Store().(lease.Lender); ok {
		all = append(all, promise{"lending", func(t rapid.TB) { s.testLending(t, l) }})
		all = append(all, promise{"lending, refund", func(t rapid.TB) { s.testLendingRefund(t, l) }})
		all = append(all, promise{"lending, refund behind a lost loan", func(t rapid.TB) { s.testLendingRefundBehindLost(t, l) }})
	}
	if z, ok := s.harness.(Sizer); ok {
		all = append(all, promise{"size", func(t rapid.TB) { s.testSize(t, z) }})
	}
	return all
}

// policyNames are names that no other policy has on the server that a suite runs on.
type policyNames struct {
	run  uint32
	last atomic.Int64
}

func (n *policyNames) policyName() string { return fmt.Sprintf("t%08x.%d", n.run, n.last.Add(1)) }

// patience is how long a call may take. It is longer than a store's own deadline, because a machine that runs a whole
// test suite is slow.
const patience = 30 * time.Second

// call returns a context for calls to the store.
func call() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}
