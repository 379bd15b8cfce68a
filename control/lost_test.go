package control_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/control"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/store/ledger"
)

// replaceable is a ledger in whose place another can come, as an empty one does where a store is flushed. Before each
// Load it can be replaced once. It is for one goroutine.
type replaceable struct {
	ledger.Ledger
	beforeLoad func()
}

func (r *replaceable) Load(ctx context.Context) (ledger.Contents, error) {
	if do := r.beforeLoad; do != nil {
		r.beforeLoad = nil
		do()
	}
	return r.Ledger.Load(ctx)
}

// TestANewServerComesBeforeTheOthers has a ledger lose everything, and a server start on the empty one before those that
// know what was there have looked: that is written again all the same, and the new file changes it.
func TestANewServerComesBeforeTheOthers(t *testing.T) {
	t.Parallel()
	const changed, more = `{"limits":{"second":"50/s","day":"100/day"}}`, `{"limits":["7/s"]}`
	file := func(day string, others ...policy.Policy) control.File {
		return control.File{Policies: append(others, parsePolicy(t, "api", `{"limits":{"second":"10/s","day":"`+day+`"}}`))}
	}
	for name, test := range map[string]struct {
		file control.File
		day  string
	}{
		"the same file": {file("100/day"), "100/day"},
		"a new file":    {file("200/day", parsePolicy(t, "more", more)), "200/day"},
	} {
		l := &replaceable{Ledger: ledger.NewMemory(nil)}
		old := newServer(t, "old", l, newKeys(t))
		if err := old.Start(t.Context(), file("100/day")); err != nil {
			t.Fatal(err)
		}
		if _, err := old.PutPolicy(t.Context(), operator, parsePolicy(t, "api", changed), control.AnyRevision); err != nil {
			t.Fatal(err)
		}
		l.Ledger = ledger.NewMemory(nil)
		renewed := newServer(t, "new", l, newKeys(t))
		if err := renewed.Start(t.Context(), test.file); err != nil {
			t.Fatal(err)
		}
		if err := old.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		stop := renewed.run(t)
		waitFor(t, 5*time.Second, name+": the old server's knowledge reaches the new one", func() bool { return renewed.limit("api") == "50/s" })
		waitFor(t, 5*time.Second, name+": the file changes it", func() bool {
			live, err := renewed.Policy("api")
			return err == nil && live.Limits[1].String() == test.day
		})
		if _, err := renewed.Policy("more"); (err == nil) != (len(test.file.Policies) > 1) {
			t.Errorf("%s: the policy that the file adds: %v", name, err)
		}
		stop()
	}
}

// TestAFailoverToTheFirstFile has the ledger go back to what it held at first: that is followed.
func TestAFailoverToTheFirstFile(t *testing.T) {
	t.Parallel()
	l := &replaceable{Ledger: ledger.NewMemory(nil)}
	f := control.File{Policies: []policy.Policy{parsePolicy(t, "api", `{"limits":["10/s"]}`)}}
	s := newServer(t, "s", l, newKeys(t))
	if err := s.Start(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	first, err := l.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutPolicy(t.Context(), operator, parsePolicy(t, "api", `{"limits":["50/s"]}`), control.AnyRevision); err != nil {
		t.Fatal(err)
	}
	l.Ledger = past{l.Ledger, first}
	if err := s.Refresh(t.Context()); err != nil || s.limit("api") != "10/s" {
		t.Errorf("the limit is %s, %v; want 10/s", s.limit("api"), err)
	}
}

// past is a ledger as it was.
type past struct {
	ledger.Ledger
	contents ledger.Contents
}

func (p past) Load(context.Context) (ledger.Contents, error) { return p.contents, nil }

// Commit is of one that knows nothing of what came later.
func (p past) Commit(_ context.Context, c ledger.Change) (ledger.Receipt, error) {
	return ledger.Receipt{}, fmt.Errorf("there is nothing to commit, but %d entries are put", len(c.Put))
}

func (p past) Version(ctx context.Context) (ledger.Version, sluice.Tick, error) {
	_, now, err := p.Ledger.Version(ctx)
	return p.contents.Version, now, err
}

// TestALedgerLostTwice has the ledger lose everything once more between its restoration and the look at that.
func TestALedgerLostTwice(t *testing.T) {
	t.Parallel()
	l := &replaceable{Ledger: ledger.NewMemory(nil)}
	s := startOne(t, l)
	l.Ledger = ledger.NewMemory(nil)
	l.beforeLoad = func() { l.Ledger = ledger.NewMemory(nil) }
	if err := s.Refresh(t.Context()); err != nil || s.limit("api") != "10/s" {
		t.Errorf("the limit is %q, %v; want 10/s", s.limit("api"), err)
	}
	if err := s.Refresh(t.Context()); err != nil || s.limit("api") != "10/s" {
		t.Errorf("after another look the limit is %q, %v; want 10/s", s.limit("api"), err)
	}
	if contents, err := l.Load(t.Context()); err != nil || len(contents.Entries) != 2 {
		t.Errorf("the ledger holds %d entries, %v; want the policy and the file", len(contents.Entries), err)
	}
}
