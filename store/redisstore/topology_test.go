package redisstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
)

// The tests of what Redis does when it does not simply answer are in files by what it is: refused_test.go what it refuses,
// reconnect_test.go connections that end or go silent, resharding_test.go slots of a Cluster, failover_test.go masters that
// die. docs/reliability.md has the table of it.

// charged says whether a check that ended with an error was charged.
type charged string

const (
	no    charged = "" // not charged
	maybe charged = "may have been charged"
)

// chargedBy reads an error as a caller does.
func chargedBy(err error) charged {
	if errors.Is(err, sluice.ErrUncertain) {
		return maybe
	}
	return no
}

// tally is checks of one key, and what became of them.
type tally struct {
	*sluice.Limiter
	allowed, uncertain int64
}

// check makes a check that must have ended in time.
func (a *tally) check(t *testing.T, key string, within time.Duration) error {
	t.Helper()
	asked := time.Now()
	d, err := a.Check(t.Context(), key, 1)
	if took := time.Since(asked); took > within {
		t.Errorf("an answer after %s: %v, want one within %s", took, err, within)
	}
	switch {
	case err != nil && chargedBy(err) == maybe:
		a.uncertain++
	case err == nil && d.Allowed:
		a.allowed++
	case err == nil:
		t.Errorf("%v, want it allowed", d)
	}
	return err
}

// expectError makes a check that must fail with a text, and charged or not.
func (a *tally) expectError(t *testing.T, key string, within time.Duration, want charged, text string) {
	t.Helper()
	err := a.check(t, key, within)
	if err == nil || chargedBy(err) != want || !strings.Contains(err.Error(), text) {
		t.Errorf("the check: %v, want it to be %q and charged: %q", err, text, want)
	}
}

// heal makes checks until they succeed, and then looks whether as many are charged as must be. It returns how long it took.
func (a *tally) heal(t *testing.T, key string, count int64, within time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	for err := a.check(t, key, patient); err != nil; err = a.check(t, key, patient) {
		if time.Since(began) > within {
			t.Fatalf("%s afterwards: %v, want a decision", within, err)
		}
		time.Sleep(time.Millisecond)
	}
	took := time.Since(began)
	a.expectCharged(t, key, count)
	return took
}

// expectCharged compares what is charged with what the checks were told.
func (a *tally) expectCharged(t *testing.T, key string, count int64) {
	t.Helper()
	d, err := a.Peek(t.Context(), key)
	for range 2 { // the connection may be one that has ended, and nobody has noticed; there are two
		if err != nil {
			d, err = a.Peek(t.Context(), key)
		}
	}
	if err != nil {
		t.Errorf("a look at the key: %v", err)
		return
	}
	if used := count - d.Remaining; used < a.allowed || used > a.allowed+a.uncertain {
		t.Errorf("%d units are used after %d checks were allowed and %d may have been", used, a.allowed, a.uncertain)
	}
}

// others calls everything else that a store does, which must end in time as well, and must not leave open whether it was
// done where a refusal of Redis says that it was not.
func (a *tally) others(t *testing.T, within time.Duration, want charged) {
	t.Helper()
	for name, ask := range map[string]func(context.Context) error{
		"CheckAll": func(ctx context.Context) error {
			results := a.CheckAll(ctx, []sluice.Ask{{Key: "other", Cost: 1}, {Key: "another", Cost: 1}})
			return errors.Join(results[0].Err, results[1].Err)
		},
		"Reset":    func(ctx context.Context) error { return a.Reset(ctx, "other") },
		"Block":    func(ctx context.Context) error { return a.Block(ctx, "other", time.Hour, "") },
		"Unblock":  func(ctx context.Context) error { return a.Unblock(ctx, "other") },
		"Standing": func(ctx context.Context) error { _, err := a.Standing(ctx, "other"); return err },
	} {
		asked := time.Now()
		err := ask(t.Context())
		if took := time.Since(asked); took > within {
			t.Errorf("%s: an answer after %s: %v, want one within %s", name, took, err, within)
		}
		if err != nil && want == no && chargedBy(err) != no {
			t.Errorf("%s: %v, want it not done, or done", name, err)
		}
	}
}
