package control_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/control"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/store/ledger"
)

// meddled are keys of which something is made of every change: it is done, and what comes of it is what meddle says. Looks
// are left alone.
type meddled struct {
	control.Keys
	meddle func(ctx context.Context) error
}

func (m meddled) Amend(ctx context.Context, a sluice.Amendment) (sluice.Standing, error) {
	is, err := m.Keys.Amend(ctx, a)
	if err == nil && (a.Bar != nil || a.Unbar || a.Except != nil || a.Unexcept) {
		if err = m.meddle(ctx); err != nil {
			is = sluice.Standing{}
		}
	}
	return is, err
}

func (m meddled) Reset(ctx context.Context, p *sluice.Policy, key string) error {
	return errors.Join(m.Keys.Reset(ctx, p, key), m.meddle(ctx))
}

// changes are all that can be done to a key by hand, and what the audit log says of it where it is known how the key is
// then, and where it is not.
var changes = map[string]struct {
	do            func(context.Context, *server) error
	to, uncertain string
}{
	"block": {func(ctx context.Context, s *server) error {
		_, err := s.Block(ctx, "eve", "api", "k", sluice.Bar{For: time.Hour, Reason: "abuse"})
		return err
	}, "until 2000-01-01T01:00:00Z, abuse", "for 1h, abuse"}, // the clock is synctest's
	"unblock": {func(ctx context.Context, s *server) error { return s.Unblock(ctx, "eve", "api", "k") }, "", ""},
	"override": {func(ctx context.Context, s *server) error {
		e := sluice.Exception{Limits: []sluice.Limit{sluice.PerSecond(5)}, For: time.Hour}
		_, err := s.Override(ctx, "eve", "api", "k", e)
		return err
	}, "second: 5/s, until 2000-01-01T01:00:00Z", "second: 5/s, for 1h"},
	"remove override": {func(ctx context.Context, s *server) error { return s.RemoveOverride(ctx, "eve", "api", "k") }, "", ""},
	"reset":           {func(ctx context.Context, s *server) error { return s.ResetKey(ctx, "eve", "api", "k") }, "", ""},
}

// startMeddled starts a server on keys that meddle.
func startMeddled(t *testing.T, l ledger.Ledger, logger *slog.Logger, meddle func(context.Context) error) *server {
	s := &server{}
	s.Control = control.New(l, meddled{newKeys(t), meddle}, control.Config{Logger: logger})
	if err := s.Start(t.Context(), control.File{Policies: []policy.Policy{parsePolicy(t, "api", `{"limits":{"second":"10/s"}}`)}}); err != nil {
		t.Fatal(err)
	}
	return s
}

// lines returns what the audit log says of keys.
func (s *server) lines(t *testing.T) []control.Audit {
	all, _, err := s.Audit(t.Context(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(a control.Audit) bool { return a.Key == "" })
}

// TestNoChangeOfAKeyWithoutALine has everything go wrong that can while a key is changed: he who changes it goes away, the
// store does not say whether it was done, or only when his time is over. The audit log has a line of it.
func TestNoChangeOfAKeyWithoutALine(t *testing.T) {
	t.Parallel()
	lost := fmt.Errorf("the connection is lost: %w", sluice.ErrUncertain)
	for _, test := range []struct {
		name      string
		meddle    func(ctx context.Context, leave context.CancelFunc) error
		uncertain bool
	}{
		{"nothing happens", func(context.Context, context.CancelFunc) error { return nil }, false},
		{"he goes away", func(_ context.Context, leave context.CancelFunc) error { leave(); return nil }, false},
		{"he goes away and the store gives up with him", func(ctx context.Context, leave context.CancelFunc) error {
			if leave(); ctx.Err() != nil {
				return fmt.Errorf("%w: %w", sluice.ErrUncertain, ctx.Err())
			}
			return nil
		}, false},
		{"the store loses the connection", func(context.Context, context.CancelFunc) error { return lost }, true},
		{"both", func(_ context.Context, leave context.CancelFunc) error { leave(); return lost }, true},
		{"the store does not answer", func(ctx context.Context, leave context.CancelFunc) error {
			leave()
			<-ctx.Done()
			return fmt.Errorf("%w: %w", sluice.ErrUncertain, ctx.Err())
		}, true},
	} {
		for what, change := range changes {
			synctest.Test(t, func(t *testing.T) {
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				s := startMeddled(t, ledger.NewMemory(nil), nil, func(ctx context.Context) error { return test.meddle(ctx, leave) })
				begun := time.Now()
				err := change.do(ctx, s)
				if errors.Is(err, sluice.ErrUncertain) != test.uncertain || (err != nil) != test.uncertain {
					t.Errorf("%s, %s: %v, want an error that says it may be done: %t", what, test.name, err, test.uncertain)
				}
				if took := time.Since(begun); took > 10*time.Second {
					t.Errorf("%s, %s: it took %s", what, test.name, took)
				}
				lines := s.lines(t)
				if len(lines) != 1 {
					t.Errorf("%s, %s: the audit log has the lines %+v, want one", what, test.name, lines)
					return
				}
				to := change.to
				if test.uncertain {
					to = change.uncertain
				}
				if l := lines[0]; l.Who != "eve" || l.What != what || l.Policy != "api" || l.Key != "k" || l.To != to || l.Uncertain != test.uncertain {
					t.Errorf("%s, %s: the line is %+v, want to %q, uncertain %t", what, test.name, l, to, test.uncertain)
				}
			})
		}
	}
}

// TestWhatIsNotDoneHasNoLine has the store refuse every change.
func TestWhatIsNotDoneHasNoLine(t *testing.T) {
	t.Parallel()
	s := startMeddled(t, ledger.NewMemory(nil), nil, func(context.Context) error { return sluice.ErrNotSent })
	for what, change := range changes {
		if err := change.do(t.Context(), s); !errors.Is(err, sluice.ErrNotSent) {
			t.Errorf("%s: %v, want ErrNotSent", what, err)
		}
	}
	if lines := s.lines(t); len(lines) != 0 {
		t.Errorf("the audit log has the lines %+v, want none", lines)
	}
}

// TestALineThatCannotBeWritten has the ledger fail between a change and its line: he who made it is told, and the log of the
// server has it, without the key, because he is the last whom that should be left to.
func TestALineThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	gone := errors.New("redis: gone")
	for what, change := range changes {
		for _, cause := range []error{nil, fmt.Errorf("lost: %w", sluice.ErrUncertain)} {
			var log bytes.Buffer
			l := &unwritable{Ledger: ledger.NewMemory(nil)}
			s := startMeddled(t, l, slog.New(slog.NewTextHandler(&log, nil)), func(context.Context) error { l.err = gone; return cause })
			err := change.do(t.Context(), s)
			if !errors.Is(err, gone) || cause != nil && !errors.Is(err, cause) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %q, want one of one line that says %v and %v", what, err, gone, cause)
			}
			for _, want := range []string{"level=ERROR", "who=eve", "what=" + fmt.Sprintf("%q", what), "policy=api", "redis: gone"} {
				if want = strings.ReplaceAll(want, `"`, ""); !strings.Contains(strings.ReplaceAll(log.String(), `"`, ""), want) {
					t.Errorf("%s: the log lacks %s: %s", what, want, log.String())
				}
			}
			if strings.Contains(log.String(), "key=") {
				t.Errorf("%s: the log names the key: %s", what, log.String())
			}
		}
	}
}

// unwritable is a ledger that takes no change once there is an error.
type unwritable struct {
	ledger.Ledger
	err error
}

func (u *unwritable) Commit(ctx context.Context, c ledger.Change) (ledger.Receipt, error) {
	if u.err != nil {
		return ledger.Receipt{}, u.err
	}
	return u.Ledger.Commit(ctx, c)
}
