// Package redisstore keeps what keys have used in Redis or Valkey, so that any number of processes share the limits.
//
// A check is decided by one script, which reads Redis's own clock, looks whether the key is barred or has limits of its
// own, decides all limits and writes one value with a time to live; see scripts/check.lua and, for every key,
// docs/redis-keys.md. Checks that arrive together share a call of it, see combiner.go. What is known of a key besides its
// counters is changed by a second script, scripts/amend.lua, and listed by a third; see standing.go and list.go. It works
// on a single server, behind Sentinel and on a Cluster, needs no module, and heals itself where a script was flushed or
// where a key has lost its time to live.
//
// A call that may have been carried out is never repeated. The package does not build the client and does not decide
// what to do when Redis fails. A goroutine of its own runs only while a caller waits for Redis, or a connection is being
// made that one has waited for, see dial.go; what must be done besides is done by [Store.Run]. It imports the core,
// store/ledger and the rueidis client only.
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice"
)

var _ sluice.Store = (*Store)(nil)

// Config says how the store uses Redis. The zero Config works.
type Config struct {
	// Timeout is the longest that a call may take where the context has no earlier deadline; 100 ms by default.
	Timeout time.Duration
	// Prefix begins every key; "sluice:" by default. It must have no braces.
	Prefix string
	// HashKeys stores the callers' keys as hashes only, for keys that must not be readable in Redis; false by default,
	// when only keys are hashed that are longer than 200 bytes, have braces or begin with '#'. Changing it forgets what
	// keys have used, their blocks and their overrides.
	HashKeys bool
}

// Store is a [sluice.Store] in Redis. It is safe for concurrent use.
type Store struct {
	client  rueidis.Client
	timeout time.Duration
	keys    keys
	now     func() time.Time // the clock of this machine, which decides nothing

	combiner combiner
	notes    *notes
	renewal  renewal
}

// New returns a store that asks Redis through the client, which stays the caller's to close. The client should be built
// from [ClientOption]: one that repeats writes by itself would charge twice.
func New(client rueidis.Client, cfg Config) (*Store, error) {
	if cfg.Timeout < 0 {
		return nil, fmt.Errorf("redisstore: Timeout is %s; it must be positive, or 0 for the default of 100ms", cfg.Timeout)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 100 * time.Millisecond
	}
	if cfg.Prefix == "" {
		cfg.Prefix = "sluice:"
	}
	k, err := newKeys(cfg.Prefix, cfg.HashKeys)
	if err != nil {
		return nil, err
	}
	return &Store{client: client, timeout: cfg.Timeout, keys: k, now: time.Now, notes: newNotes()}, nil
}

// Check implements [sluice.Store].
func (s *Store) Check(ctx context.Context, req sluice.Request) (sluice.Decision, error) {
	if err := ctx.Err(); err != nil {
		return sluice.Decision{}, notSent(err)
	}
	c := callers.Get().(*caller)
	c.one[0].req, c.one[0].result = req, sluice.Result{}
	c.entries = c.one[:]
	free := s.decide(ctx, c)
	result := c.entries[0].result
	if free {
		callers.Put(c)
	}
	return result.Decision, result.Err
}

// CheckAll implements [sluice.Store]. The checks leave together with those of other callers, up to 256 in a call. Very many
// are decided in pieces, one after the other, so that they do not take the room of all others; what has not left when the
// time of the call is over is not sent.
func (s *Store) CheckAll(ctx context.Context, reqs []sluice.Request) []sluice.Result {
	results := make([]sluice.Result, len(reqs))
	if len(reqs) > mostOfOne {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.timeout)
		defer cancel()
	}
	for piece := 0; piece < len(reqs); piece += mostOfOne {
		end := min(piece+mostOfOne, len(reqs))
		s.checkAll(ctx, reqs[piece:end], results[piece:end])
	}
	return results
}

// checkAll writes the results of checks that wait for their calls at the same time.
func (s *Store) checkAll(ctx context.Context, reqs []sluice.Request, results []sluice.Result) {
	if err := ctx.Err(); err != nil {
		err = notSent(err)
		for i := range results {
			results[i].Err = err
		}
		return
	}
	c := callers.Get().(*caller)
	c.entries = make([]entry, len(reqs))
	for i, req := range reqs {
		c.entries[i].req = req
	}
	free := s.decide(ctx, c)
	for i := range results {
		results[i] = c.entries[i].result
	}
	if free {
		callers.Put(c)
	}
}

// Reset implements [sluice.Store].
func (s *Store) Reset(ctx context.Context, policy *sluice.Policy, key string) error {
	_, err := await(ctx, s, func(ctx context.Context) (struct{}, error) {
		state := s.keys.state(policy, s.keys.spell(key))
		if err := s.doScript(ctx, resetScript, scriptCall{keys: []string{state}}).Error(); err != nil {
			return struct{}{}, failed(ctx, err)
		}
		return struct{}{}, nil
	})
	return err
}

// await has ask call Redis, and waits for it no longer than the context and the store's own deadline last: the client may
// be connecting to a node that does not answer.
func await[T any](ctx context.Context, s *Store, ask func(context.Context) (T, error)) (answer T, err error) {
	if err := ctx.Err(); err != nil {
		return answer, notSent(err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	type outcome struct {
		answer T
		err    error
	}
	answered := make(chan outcome, 1)
	go func() {
		defer cancel()
		answer, err := ask(ctx)
		answered <- outcome{answer, err}
	}()
	select {
	case o := <-answered:
		return o.answer, o.err
	case <-ctx.Done():
		select {
		case o := <-answered: // the context ends with the answer, too
			return o.answer, o.err
		default:
			return answer, uncertain(ctx.Err())
		}
	}
}

func notSent(err error) error { return fmt.Errorf("redisstore: %w: %w", sluice.ErrNotSent, err) }

func uncertain(err error) error { return fmt.Errorf("redisstore: %w: %w", sluice.ErrUncertain, err) }

// failed says what became of a call without an answer, or that Redis refused whole.
func failed(ctx context.Context, err error) error {
	if refusal, ok := rueidis.IsRedisErr(err); ok {
		if !refusalCode.MatchString(refusal.Error()) { // anything, such as a script that was stopped half way
			return uncertain(err)
		}
		return fmt.Errorf("redisstore: redis refused the call, nothing charged: %w", err)
	}
	// That the client closes a connection is no such error: what it had sent on that may have been carried out.
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" || errors.Is(err, rueidis.ErrNoSlot) {
		return notSent(err)
	}
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		return fmt.Errorf("redisstore: %w: %w: %w", sluice.ErrUncertain, ctx.Err(), err)
	}
	return uncertain(err)
}

// keyFailed says why the script did not decide the checks of one key: it charges as the last thing that it does.
func keyFailed(err error) error {
	if refusal, ok := rueidis.IsRedisErr(err); ok {
		switch code, _, _ := strings.Cut(refusal.Error(), " "); code {
		case "BADSTATE", "WRONGTYPE":
			return fmt.Errorf("redisstore: %w, nothing charged: %w", sluice.ErrForeignState, err)
		case "STALE":
			return fmt.Errorf("redisstore: %w", sluice.ErrStale)
		}
		return fmt.Errorf("redisstore: redis refused the call, nothing charged: %w", err)
	}
	return uncertain(err)
}
