package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/ledger"
	"github.com/sluice-project/sluice/store/ledger/ledgertest"
	"github.com/sluice-project/sluice/store/redisstore"
)

func newLedger(t testing.TB, client rueidis.Client, cfg redisstore.LedgerConfig) *redisstore.Ledger {
	t.Helper()
	if cfg.Timeout == 0 {
		cfg.Timeout = patient
	}
	l, err := redisstore.NewLedger(client, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// fleets returns fleets that share servers: each has a prefix, and each instance of its ledger a client, of its own.
func fleets(urls ...string) func(t *testing.T) ledgertest.Fleet {
	var fleet, instance atomic.Int64
	return func(t *testing.T) ledgertest.Fleet {
		prefix := fmt.Sprintf("%s-%d:", strings.ReplaceAll(t.Name(), "/", "-"), fleet.Add(1))
		return func() ledger.Ledger {
			client := newClient(t, urls[int(instance.Add(1))%len(urls)])
			return newLedger(t, client, redisstore.LedgerConfig{Prefix: prefix})
		}
	}
}

func TestLedger(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, fleets(redistest.Shared(t).URL()))
}

func TestLedgerByRESP2(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, fleets(redistest.Shared(t).URL()+"?protocol=2"))
}

// TestLedgerOnCluster has each instance come by another node of a Cluster.
func TestLedgerOnCluster(t *testing.T) {
	t.Parallel()
	var urls []string
	for _, node := range redistest.StartCluster(t).Nodes {
		urls = append(urls, node.URL())
	}
	ledgertest.Run(t, fleets(urls...))
}

// TestLedgerChangesReachAllNodes listens on each node of a Cluster by itself: the script that commits runs on one.
func TestLedgerChangesReachAllNodes(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	heard := make(chan string, 100)
	for i, node := range cluster.Nodes {
		option, err := redisstore.ClientOption(node.URL())
		if err != nil {
			t.Fatal(err)
		}
		option.ForceSingleClient = true
		client, err := rueidis.NewClient(option)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		watcher := newLedger(t, client, redisstore.LedgerConfig{})
		go func() {
			_ = watcher.Watch(t.Context(), func() { heard <- strconv.Itoa(i) }) // it ends with the test
		}()
		await(t, heard, strconv.Itoa(i))
	}
	l := newLedger(t, newClient(t, cluster.URL()), redisstore.LedgerConfig{})
	stop := make(chan struct{})
	defer close(stop)
	go func() { // nodes that have just met may lose messages to each other, so there are several
		for {
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Millisecond):
				_, _ = l.Commit(t.Context(), ledger.Change{Put: []ledger.Entry{{Kind: "a", Name: "1"}}}) // one that fails is not heard
			}
		}
	}()
	await(t, heard, "0", "1", "2")
}

// await waits until each of some things was heard, in any order.
func await(t testing.TB, heard <-chan string, want ...string) {
	t.Helper()
	timeout := time.After(patient)
	for len(want) > 0 {
		select {
		case got := <-heard:
			want = slices.DeleteFunc(want, func(w string) bool { return w == got })
		case <-timeout:
			t.Fatalf("nothing was heard from %v", want)
		}
	}
}

func commitEntry(t testing.TB, l *redisstore.Ledger, name, value string) ledger.Receipt {
	t.Helper()
	r, err := l.Commit(t.Context(), ledger.Change{
		Put:    []ledger.Entry{{Kind: "policy", Name: name, Value: []byte(value)}},
		Append: []ledger.Append{{Log: "audit", Value: []byte(value), Keep: 100}},
	})
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	return r
}

// expectLedger compares the names of all entries and the lines of the log audit, newest first.
func expectLedger(t testing.TB, l *redisstore.Ledger, names, lines string) {
	t.Helper()
	contents, err := l.Load(t.Context())
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	var gotNames []string
	for _, e := range contents.Entries {
		gotNames = append(gotNames, e.Name)
	}
	slices.Sort(gotNames)
	audit, _, err := l.Log(t.Context(), "audit", "", 100)
	if err != nil {
		t.Fatalf("Log: %v", err)
	}
	gotLines := ""
	for _, line := range audit {
		gotLines += string(line.Value)
	}
	if got := strings.Join(gotNames, ""); got != names || gotLines != lines {
		t.Errorf("entries %q, lines %q; want %q and %q", got, gotLines, names, lines)
	}
}

func TestNewLedgerRefusesBadConfig(t *testing.T) {
	t.Parallel()
	for _, cfg := range []redisstore.LedgerConfig{{Timeout: -1}, {Prefix: "a{b}:"}} {
		if _, err := redisstore.NewLedger(nil, cfg); err == nil {
			t.Errorf("NewLedger took %+v", cfg)
		}
	}
}

// TestLedgerThatIsLost flushes Redis: all is gone at once, and the newest contents that somebody remembers come back.
func TestLedgerThatIsLost(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	l := newLedger(t, newClient(t, server.URL()), redisstore.LedgerConfig{})
	last := commitEntry(t, l, "a", "1")
	server.Do(t, "FLUSHALL")
	if version, now, err := l.Version(t.Context()); version != 0 || now < last.Now || err != nil {
		t.Errorf("after FLUSHALL the version is %d at %d, %v; want 0 at %d or later", version, now, err, last.Now)
	}
	expectLedger(t, l, "", "")
	was := []ledger.Expectation{{Kind: "policy", Name: "a", Revision: last.Version}}
	_, err := l.Commit(t.Context(), ledger.Change{Expect: was})
	var conflict *ledger.ConflictError
	if !errors.As(err, &conflict) || conflict.Current != 0 {
		t.Errorf("a change of an entry that was lost: %v, want a conflict with revision 0", err)
	}
	r, err := l.Commit(t.Context(), ledger.Change{
		Restore: last.Version, Put: []ledger.Entry{{Kind: "policy", Name: "a", Value: []byte("1")}},
	})
	if err != nil || r.Version <= last.Version {
		t.Errorf("restoring version %d: %+v, %v; want a version after it", last.Version, r, err)
	}
	expectLedger(t, l, "a", "")
}

// TestLedgerLearnsScripts flushes the scripts, as a failover does to those that a replica was not told of.
func TestLedgerLearnsScripts(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	l := newLedger(t, newClient(t, server.URL()), redisstore.LedgerConfig{})
	for _, name := range []string{"a", "b", "c"} {
		server.Do(t, "SCRIPT", "FLUSH")
		commitEntry(t, l, name, name)
		server.Do(t, "SCRIPT", "FLUSH")
		if _, _, err := l.Version(t.Context()); err != nil {
			t.Errorf("Version: %v", err)
		}
	}
	expectLedger(t, l, "abc", "cba")
}

// TestLedgerVersionsBeforeTheClock has the clock of Redis be behind what is stored, as after a failover to a server
// whose clock is. The numbers are beyond 14 digits, which is all that Lua spells of one.
func TestLedgerVersionsBeforeTheClock(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	l := newLedger(t, newClient(t, server.URL()), redisstore.LedgerConfig{})
	stored := "\x00\x1f\xff\xff\xff\xff\xff\xf0" + "\x00\x00\x00\x00\x00\x00\x00\x00"
	server.Do(t, "HSET", "sluice:{~fleet}entries", "version", stored)
	for want := ledger.Version(1<<53 - 15); want < 1<<53-10; want++ {
		if r := commitEntry(t, l, "a", "x"); r.Version != want {
			t.Errorf("the commit made version %d, want %d", r.Version, want)
		}
		contents, err := l.Load(t.Context())
		if err != nil || contents.Version != want || contents.Entries[0].Revision != want {
			t.Errorf("Load returns %+v, %v; want version %d", contents, err, want)
		}
		was := []ledger.Expectation{{Kind: "policy", Name: "a", Revision: want - 1}}
		_, err = l.Commit(t.Context(), ledger.Change{Expect: was})
		var conflict *ledger.ConflictError
		if !errors.As(err, &conflict) || conflict.Current != want {
			t.Errorf("expecting revision %d of %d: %v", want-1, want, err)
		}
	}
}

// TestLedgerAmongForeignValues puts what Sluice did not write into each of its places: nothing is done then.
func TestLedgerAmongForeignValues(t *testing.T) {
	t.Parallel()
	server := redistest.Shared(t)
	client := newClient(t, server.URL())
	for name, test := range map[string]struct {
		command []string
		reads   bool // what is there can be read all the same
	}{
		"entries":  {[]string{"SET", "{~fleet}entries", "x"}, false},
		"version":  {[]string{"HSET", "{~fleet}entries", "version", "short"}, false},
		"expected": {[]string{"HSET", "{~fleet}entries", "policy\x00b", "short"}, false},
		"last log": {[]string{"SET", "{~fleet}log:other", "x"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			prefix := strings.ReplaceAll(t.Name(), "/", "-") + ":"
			l := newLedger(t, client, redisstore.LedgerConfig{Prefix: prefix})
			command := slices.Clone(test.command)
			command[1] = prefix + command[1]
			server.Do(t, command...)
			_, err := l.Commit(t.Context(), ledger.Change{
				Expect: []ledger.Expectation{{Kind: "policy", Name: "b"}},
				Put:    []ledger.Entry{{Kind: "policy", Name: "a"}},
				Append: []ledger.Append{{Log: "audit", Keep: 1}, {Log: "other", Keep: 1}},
			})
			if !errors.Is(err, sluice.ErrForeignState) || errors.Is(err, sluice.ErrUncertain) {
				t.Errorf("Commit: %v, want %v", err, sluice.ErrForeignState)
			}
			if test.reads {
				expectLedger(t, l, "", "")
			} else if _, err := l.Load(t.Context()); !errors.Is(err, sluice.ErrForeignState) {
				t.Errorf("Load: %v, want %v", err, sluice.ErrForeignState)
			}
		})
	}
}

// TestLedgerWithoutAnswer has Redis freeze, and be gone.
func TestLedgerWithoutAnswer(t *testing.T) {
	t.Parallel()
	const timeout, margin = 200 * time.Millisecond, 400 * time.Millisecond
	server := redistest.Start(t, redistest.Options{})
	watcher := newLedger(t, newClient(t, server.URL()), redisstore.LedgerConfig{})
	heard := make(chan string, 100)
	ended := make(chan error, 1)
	go func() { ended <- watcher.Watch(t.Context(), func() { heard <- "changed" }) }()
	await(t, heard, "changed")

	client := newClient(t, server.URL())
	l := newLedger(t, client, redisstore.LedgerConfig{Timeout: timeout})
	commitEntry(t, l, "a", "1")
	change := ledger.Change{
		Put:    []ledger.Entry{{Kind: "policy", Name: "b"}},
		Append: []ledger.Append{{Log: "audit", Value: []byte("2"), Keep: 100}},
	}
	server.Pause(t)
	asked := time.Now()
	if _, err := l.Commit(context.Background(), change); !errors.Is(err, sluice.ErrUncertain) {
		t.Errorf("a commit to a frozen server: %v, want %v", err, sluice.ErrUncertain)
	}
	if took := time.Since(asked); took > timeout+margin {
		t.Errorf("a commit to a frozen server took %s, want %s at most", took, timeout+margin)
	}
	if _, _, err := l.Version(context.Background()); err == nil {
		t.Error("a frozen server has told its version")
	}
	server.Continue(t)
	await(t, heard, "changed")
	expectLedger(t, newLedger(t, newClient(t, server.URL()), redisstore.LedgerConfig{}), "ab", "21")

	server.Kill()
	if err := <-ended; err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("Watch of a server that is gone: %v, want an error", err)
	}
	for deadline := time.Now().Add(patient); ; time.Sleep(time.Millisecond) {
		// The connection may not know yet.
		_, err := l.Commit(context.Background(), change)
		if errors.Is(err, sluice.ErrNotSent) {
			break
		}
		if err == nil || time.Now().After(deadline) {
			t.Fatalf("a commit to no server: %v, want %v", err, sluice.ErrNotSent)
		}
	}
	server.Restart(t)
	expectLedger(t, newLedger(t, newClient(t, server.URL()), redisstore.LedgerConfig{}), "", "")
	again := make(chan error, 1)
	go func() { again <- watcher.Watch(t.Context(), func() { heard <- "changed" }) }()
	select {
	case <-heard:
	case err := <-again:
		t.Errorf("Watch after a restart: %v", err)
	}
}

// TestLedgerRights has a user do all that a ledger does by the rights that docs/redis-keys.md asks for, and no more.
func TestLedgerRights(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	rights := "~sluice:* &sluice:{~fleet}changed +evalsha +eval +time +hget +hgetall +hset +hdel +del +xlen +xadd " +
		"+xrevrange +publish +subscribe +ping +cluster|slots +cluster|shards"
	server.Do(t, strings.Fields("ACL SETUSER fleet on >pw resetkeys resetchannels -@all "+rights)...)
	client := newClient(t, strings.Replace(server.URL(), "redis://", "redis://fleet:pw@", 1))
	l := newLedger(t, client, redisstore.LedgerConfig{})
	heard := make(chan string, 100)
	go func() {
		_ = l.Watch(t.Context(), func() { heard <- "changed" }) // it ends with the test
	}()
	await(t, heard, "changed")
	commitEntry(t, l, "a", "1")
	await(t, heard, "changed")
	if _, err := l.Commit(t.Context(), ledger.Change{Delete: []ledger.Entry{{Kind: "policy", Name: "a"}}}); err != nil {
		t.Error(err)
	}
	expectLedger(t, l, "", "1")
	server.Do(t, "HDEL", "sluice:{~fleet}entries", "version")
	restore := ledger.Change{Restore: 1, Put: []ledger.Entry{{Kind: "policy", Name: "b"}}}
	if _, err := l.Commit(t.Context(), restore); err != nil {
		t.Error(err)
	}
	expectLedger(t, l, "b", "1")
	for _, refused := range server.Do(t, "ACL", "LOG").([]any) {
		if !strings.Contains(fmt.Sprint(refused), "object client") { // CLIENT SETINFO may be refused
			t.Errorf("ACL LOG: %v", refused)
		}
	}

	// Without the right to tell of changes they are made all the same.
	server.Do(t, "ACL", "SETUSER", "fleet", "-publish")
	commitEntry(t, l, "c", "2")
	expectLedger(t, l, "bc", "21")
	// Without a right that comes too late to do nothing, nobody knows.
	server.Do(t, "ACL", "SETUSER", "fleet", "-xadd")
	change := ledger.Change{
		Put:    []ledger.Entry{{Kind: "policy", Name: "d"}},
		Append: []ledger.Append{{Log: "audit", Value: []byte("3"), Keep: 100}},
	}
	_, err := l.Commit(t.Context(), change)
	if !errors.Is(err, sluice.ErrUncertain) || !strings.Contains(err.Error(), "carried out in part") {
		t.Errorf("a commit that breaks off: %v, want %v", err, sluice.ErrUncertain)
	}
	expectLedger(t, l, "bcd", "21")
}

// TestLedgerErrorWithoutCode has Redis answer what may be said of anything.
func TestLedgerErrorWithoutCode(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{Args: []string{"--rename-command", "EVALSHA", "GONE"}})
	l := newLedger(t, newClient(t, server.URL()), redisstore.LedgerConfig{})
	change := ledger.Change{Put: []ledger.Entry{{Kind: "policy", Name: "a"}}}
	if _, err := l.Commit(t.Context(), change); !errors.Is(err, sluice.ErrUncertain) {
		t.Errorf("a commit by a command that is not known: %v, want %v", err, sluice.ErrUncertain)
	}
	if _, err := l.Load(t.Context()); err == nil {
		t.Error("Load by a command that is not known has succeeded")
	}
}

// TestLedgerFull has Redis refuse to grow: a change is carried out whole or not at all.
func TestLedgerFull(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	l := newLedger(t, newClient(t, server.URL()), redisstore.LedgerConfig{})
	commitEntry(t, l, "a", "1")
	server.Do(t, "CONFIG", "SET", "maxmemory", "1")
	_, err := l.Commit(t.Context(), ledger.Change{
		Put:    []ledger.Entry{{Kind: "policy", Name: "b"}},
		Append: []ledger.Append{{Log: "audit", Value: []byte("2"), Keep: 100}},
	})
	if err == nil || errors.Is(err, sluice.ErrUncertain) || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("a commit to a full server: %v, want an error that says that nothing was done", err)
	}
	if _, _, err := l.Version(t.Context()); err != nil {
		t.Errorf("Version of a full server: %v", err)
	}
	expectLedger(t, l, "a", "1")
}
