package control_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/control"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/schedule"
	"github.com/sluice-project/sluice/store/ledger"
	"github.com/sluice-project/sluice/store/memstore"
)

// server is one of a fleet: a control, and the snapshot that it has swapped last.
type server struct {
	*control.Control
	mu       sync.Mutex
	snapshot *policy.Snapshot
}

func newServer(t testing.TB, name string, l ledger.Ledger, keys control.Keys) *server {
	s := &server{}
	s.Control = control.New(l, keys, control.Config{Server: name, Swap: func(next *policy.Snapshot) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.snapshot = next
	}})
	return s
}

// run runs the server until the test ends or stop is called.
func (s *server) run(t testing.TB) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

// limit returns the first limit of a policy as the server decides by it now; "" where there is no such policy.
func (s *server) limit(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.snapshot.Get(name)
	if !ok {
		return ""
	}
	return p.Limits[0].String()
}

// waitFor returns when the condition holds, and fails the test where it does not come to hold in time.
func waitFor(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, within)
		}
	}
}

func newKeys(t testing.TB) *memstore.Store {
	keys, err := memstore.New(memstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func parsePolicy(t testing.TB, name, document string) policy.Policy {
	t.Helper()
	p, err := policy.ParseDocument(name, []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func parseSchedule(t testing.TB, name, document string) schedule.Schedule {
	t.Helper()
	s, err := schedule.ParseDocument(name, []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const operator = "operator"

func TestAChangeReachesAll(t *testing.T) {
	t.Parallel()
	shared, keys := ledger.NewMemory(nil), newKeys(t)
	var fleet []*server
	for i := range 5 {
		s := newServer(t, fmt.Sprint("s", i), shared, keys)
		if err := s.Start(t.Context(), control.File{Policies: []policy.Policy{parsePolicy(t, "api", `{"limits":{"second":"10/s"}}`)}}); err != nil {
			t.Fatal(err)
		}
		s.run(t)
		fleet = append(fleet, s)
	}
	for i := range 20 {
		text := fmt.Sprintf("%d/s", 20+i)
		p := parsePolicy(t, "api", `{"limits":{"second":"`+text+`"}}`)
		if _, err := fleet[i%5].PutPolicy(t.Context(), operator, p, control.AnyRevision); err != nil {
			t.Fatal(err)
		}
		for j, s := range fleet {
			waitFor(t, time.Second, fmt.Sprintf("change %d on server %d", i, j), func() bool { return s.limit("api") == text })
		}
	}
	lines, _, err := fleet[0].Audit(t.Context(), "", 1000)
	if err != nil || len(lines) != 21 { // the file and 20 changes
		t.Errorf("the audit log has %d lines, %v; want 21", len(lines), err)
	}
	if last := lines[0]; last.Who != operator || last.What != "put" || last.Policy != "api" || !strings.Contains(last.From, "38/s") || !strings.Contains(last.To, "39/s") {
		t.Errorf("the last change reads %+v", last)
	}
}

func TestCompareAndSwap(t *testing.T) {
	t.Parallel()
	shared, keys := ledger.NewMemory(nil), newKeys(t)
	a, b := newServer(t, "a", shared, keys), newServer(t, "b", shared, keys)
	first, err := a.PutPolicy(t.Context(), operator, parsePolicy(t, "api", `{"limits":{"second":"10/s"}}`), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.PutPolicy(t.Context(), operator, parsePolicy(t, "api", `{"limits":{"second":"11/s"}}`), 0); !isRevision(err, first.Revision) {
		t.Errorf("a second policy of the name: %v, want a RevisionError with %s", err, first.Revision)
	}
	second, err := b.PutPolicy(t.Context(), operator, parsePolicy(t, "api", `{"limits":{"second":"12/s"}}`), first.Revision)
	if err != nil || second.Revision == first.Revision {
		t.Fatalf("a change of revision %s: revision %s, %v", first.Revision, second.Revision, err)
	}
	if _, err := a.PutPolicy(t.Context(), operator, parsePolicy(t, "api", `{"limits":{"second":"13/s"}}`), first.Revision); !isRevision(err, second.Revision) {
		t.Errorf("a change of a revision that is past: %v, want a RevisionError with %s", err, second.Revision)
	}
	if err := a.DeletePolicy(t.Context(), operator, "api", first.Revision); !isRevision(err, second.Revision) {
		t.Errorf("a deletion of a revision that is past: %v", err)
	}
	if live, err := a.Policy("api"); err != nil || live.Limits[0].String() != "12/s" || live.Revision != second.Revision {
		t.Errorf("live is %v at %s, %v; want 12/s", live.Limits, live.Revision, err)
	}
	if err := a.DeletePolicy(t.Context(), operator, "api", second.Revision); err != nil {
		t.Error(err)
	}
	if _, err := a.Policy("api"); !isUnknown(err) {
		t.Errorf("a deleted policy: %v, want an UnknownError", err)
	}
}

func isRevision(err error, current control.Revision) bool {
	var conflict *control.RevisionError
	return errors.As(err, &conflict) && conflict.Current == current
}

func isUnknown(err error) bool {
	var unknown *control.UnknownError
	return errors.As(err, &unknown)
}

func isInvalid(err error, field string) bool {
	var invalid *sluice.InvalidError
	return errors.As(err, &invalid) && invalid.Field == field
}

// TestEachTickOnce has several servers, of which some stop and others come, carry out a schedule that ticks each second.
func TestEachTickOnce(t *testing.T) {
	t.Parallel()
	shared, keys := ledger.NewMemory(nil), newKeys(t)
	first := newServer(t, "first", shared, keys)
	if _, err := first.PutPolicy(t.Context(), operator, parsePolicy(t, "api", `{"limits":{"second":"10/s burst 5"}}`), 0); err != nil {
		t.Fatal(err)
	}
	up := parseSchedule(t, "up", `{"cron":"@every 1s","missed":"all","adjust":{"policy":"api","limit":"second","by":1}}`)
	if _, err := first.PutSchedule(t.Context(), operator, up, 0); err != nil {
		t.Fatal(err)
	}
	begun, err := first.Schedule("up")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		s := newServer(t, fmt.Sprint("s", i), shared, keys)
		stop := s.run(t)
		time.Sleep(400 * time.Millisecond)
		if i%3 != 2 {
			stop()
		}
	}
	if err := first.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	live, err := first.Schedule("up")
	if err != nil {
		t.Fatal(err)
	}
	ticks := live.Last.Unix() - begun.Last.Unix()
	p, err := first.Policy("api")
	if got := p.Limits[0].Count() - 10; err != nil || got != ticks || ticks < 4 {
		t.Errorf("after %d ticks the count is higher by %d, %v", ticks, got, err)
	}
	history, _, err := first.History(t.Context(), "up", "", 1000)
	if err != nil || int64(len(history)) != ticks {
		t.Fatalf("the history has %d ticks of %d, %v", len(history), ticks, err)
	}
	for i, d := range history {
		if want := live.Last.Add(time.Duration(-i) * time.Second); !d.Due.Equal(want) || d.Error != "" {
			t.Errorf("tick %d from the end: %+v, want that of %s", i, d, want)
		}
	}
}

func TestFileAgainstLive(t *testing.T) {
	t.Parallel()
	shared, keys := ledger.NewMemory(nil), newKeys(t)
	file := func(api string) control.File {
		return control.File{Policies: []policy.Policy{parsePolicy(t, "api", api)}}
	}
	const old, renewed = `{"limits":{"second":"10/s","day":"100/day"}}`, `{"limits":{"second":"10/s","day":"200/day"}}`
	s := newServer(t, "s", shared, keys)
	if err := s.Start(t.Context(), file(old)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutPolicy(t.Context(), operator, parsePolicy(t, "api", `{"limits":{"second":"50/s","day":"100/day"}}`), control.AnyRevision); err != nil {
		t.Fatal(err)
	}
	expect := func(when, second, day string) {
		t.Helper()
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		live, err := s.Policy("api")
		if err != nil || live.Limits[0].String() != second || live.Limits[1].String() != day {
			t.Errorf("%s: live is %v, %v; want %s and %s", when, live.Limits, err, second, day)
		}
	}
	start := func(f control.File) {
		t.Helper()
		if err := newServer(t, "another", shared, keys).Start(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	start(file(old))
	expect("a restart with the same file", "50/s", "100/day")
	start(file(renewed))
	expect("a start with a new file", "50/s", "200/day")
	start(file(old))
	expect("a start with the old file", "50/s", "200/day")
	if err := s.Apply(t.Context(), file(old)); err != nil {
		t.Fatal(err)
	}
	expect("the file of its start again, while running", "50/s", "200/day")
	if err := s.Apply(t.Context(), file(renewed)); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), file(old)); err != nil {
		t.Fatal(err)
	}
	expect("the old file written again while running", "50/s", "100/day")
	if diff := s.Diff(file(old)); len(diff) != 1 || diff[0].Path != "policies.api.limits.second" || diff[0].From != "50/s" || diff[0].To != "10/s" {
		t.Errorf("the difference of live and file is %v", diff)
	}
	if err := s.Impose(t.Context(), operator, file(old)); err != nil {
		t.Fatal(err)
	}
	expect("the file imposed", "10/s", "100/day")
}

// TestLedgerComesLate starts a server while the ledger cannot be reached, and one that has nothing to say then.
func TestLedgerComesLate(t *testing.T) {
	t.Parallel()
	l := &breakable{Ledger: ledger.NewMemory(nil)}
	l.broken(true)
	s := newServer(t, "s", l, newKeys(t))
	err := s.Start(t.Context(), control.File{Policies: []policy.Policy{parsePolicy(t, "api", `{"limits":["10/s"]}`)}})
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("Start without a ledger: %v, want what keeps it away", err)
	}
	if s.limit("api") != "10/s" || s.Before() != 0 {
		t.Errorf("without a ledger the limit is %q until %d; want that of the file, for ever", s.limit("api"), s.Before())
	}
	s.run(t)
	l.broken(false)
	waitFor(t, 5*time.Second, "the file is written", func() bool {
		contents, err := l.Load(t.Context())
		return err == nil && len(contents.Entries) == 2
	})
	waitFor(t, time.Second, "the view is dated", func() bool { return s.Before() != 0 })
	l.broken(true)
	waitFor(t, 5*time.Second, "the view holds undated again", func() bool { return s.Before() == 0 })
	if s.limit("api") != "10/s" {
		t.Errorf("the limit is %q after the ledger went away", s.limit("api"))
	}
}

// breakable is a ledger that cannot be reached at times.
type breakable struct {
	ledger.Ledger
	mu   sync.Mutex
	gone bool
}

func (b *breakable) broken(gone bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gone = gone
}

func (b *breakable) fails() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone {
		return net.ErrClosed
	}
	return nil
}

func (b *breakable) Version(ctx context.Context) (ledger.Version, sluice.Tick, error) {
	if err := b.fails(); err != nil {
		return 0, 0, err
	}
	return b.Ledger.Version(ctx)
}

func (b *breakable) Commit(ctx context.Context, c ledger.Change) (ledger.Receipt, error) {
	if err := b.fails(); err != nil {
		return ledger.Receipt{}, err
	}
	return b.Ledger.Commit(ctx, c)
}

func TestJobs(t *testing.T) {
	t.Parallel()
	shared, keys := ledger.NewMemory(nil), newKeys(t)
	s := newServer(t, "s", shared, keys)
	if _, err := s.PutPolicy(t.Context(), operator, parsePolicy(t, "api", `{"limits":{"hour":"10/h"}}`), 0); err != nil {
		t.Fatal(err)
	}
	s.run(t)
	for name, job := range map[string]string{
		"reset":    `"reset":{"policy":"api"}`,
		"set":      `"set":{"policy":"api","limits":{"hour":"20/h"}}`,
		"adjust":   `"adjust":{"policy":"api","limit":"hour","by":5,"max":30}`,
		"override": `"override":{"policy":"api","key":"vip","limits":{"hour":"1000/h"}}`,
		"block":    `"block":{"policy":"api","key":"bad","for":"1h","reason":"abuse"}`,
	} {
		if _, err := s.PutSchedule(t.Context(), operator, parseSchedule(t, name, `{"cron":"@yearly",`+job+`}`), 0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"reset", "set", "adjust", "adjust", "adjust", "override", "block"} {
		if _, err := s.RunSchedule(t.Context(), operator, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	live, err := s.Policy("api")
	if err != nil || live.Limits[0].String() != "30/hour" || live.ResetAt == 0 {
		t.Errorf("live is %v, reset at %d, %v; want 30/h and an instant", live.Limits, live.ResetAt, err)
	}
	waitFor(t, time.Second, "the block", func() bool {
		standing, err := s.Standing(t.Context(), "api", "bad")
		return err == nil && standing.Block != nil && standing.Block.Reason == "abuse"
	})
	waitFor(t, time.Second, "the override", func() bool {
		standing, err := s.Standing(t.Context(), "api", "vip")
		return err == nil && standing.Override != nil && standing.Override.Limits[0].String() == "1000/hour"
	})
	waitFor(t, time.Second, "the outbox is empty", func() bool {
		contents, err := shared.Load(t.Context())
		for _, e := range contents.Entries {
			if e.Kind == "outbox" {
				return false
			}
		}
		return err == nil
	})
}

func TestBadChangesChangeNothing(t *testing.T) {
	t.Parallel()
	shared, keys := ledger.NewMemory(nil), newKeys(t)
	s := newServer(t, "s", shared, keys)
	if _, err := s.PutPolicy(t.Context(), operator, parsePolicy(t, "api", `{"limits":{"hour":"10/h"}}`), 0); err != nil {
		t.Fatal(err)
	}
	version, _, _ := shared.Version(t.Context())
	try := func(what string, err error, ok bool) {
		t.Helper()
		if !ok {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := s.Block(t.Context(), operator, "api", "k", sluice.Bar{Until: 1})
	try("a block that has ended", err, isInvalid(err, "until"))
	_, err = s.Block(t.Context(), operator, "api", "k", sluice.Bar{Until: sluice.Tick(time.Now().AddDate(2, 0, 0).UnixMicro())})
	try("a block of two years", err, isInvalid(err, "until"))
	_, err = s.Block(t.Context(), operator, "nobody", "k", sluice.Bar{For: time.Hour})
	try("a block of no policy", err, isUnknown(err))
	_, err = s.Override(t.Context(), operator, "nobody", "k", sluice.Exception{Limits: []sluice.Limit{sluice.PerSecond(1)}})
	try("an override of no policy", err, isUnknown(err))
	_, err = s.Override(t.Context(), operator, "api", "k", sluice.Exception{Limits: []sluice.Limit{sluice.PerSecond(1)}, Until: 1})
	try("an override that has ended", err, isInvalid(err, "until"))
	_, err = s.Override(t.Context(), operator, "api", "k", sluice.Exception{Limits: []sluice.Limit{sluice.PerSecond(1), sluice.PerSecond(2)}})
	try("an override with two limits of one name", err, isInvalid(err, "limits[1]"))
	_, err = s.PutSchedule(t.Context(), operator, parseSchedule(t, "x", `{"cron":"@daily","reset":{"policy":"nobody"}}`), 0)
	try("a schedule for no policy", err, isInvalid(err, "reset.policy"))
	_, err = s.PutSchedule(t.Context(), operator, parseSchedule(t, "x", `{"cron":"@daily","adjust":{"policy":"api","limit":"day","by":1}}`), 0)
	try("a schedule for no limit", err, isInvalid(err, "adjust.limit"))
	_, err = s.RunSchedule(t.Context(), operator, "x")
	try("a run of no schedule", err, isUnknown(err))
	try("a reset of no policy", nil, isUnknown(s.ResetPolicy(t.Context(), operator, "nobody")))
	if now, _, _ := shared.Version(t.Context()); now != version {
		t.Error("something was changed")
	}
}
