package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

// list returns the keys that all pages of a list have, and calls between after each page but the last.
func list(t testing.TB, s *redisstore.Store, l sluice.List, between func()) []string {
	t.Helper()
	var keys []string
	l.Policy = "api"
	for {
		page, err := s.List(t.Context(), l)
		if err != nil {
			t.Fatalf("List(%+v): %v", l, err)
		}
		for _, e := range page.Entries {
			keys = append(keys, e.Key)
		}
		if l.Cursor = page.Cursor; l.Cursor == "" {
			return keys
		}
		between()
	}
}

// members returns how many keys an index has, true or not.
func members(t testing.TB, s *redisstore.Store, server *redistest.Server, overrides bool) (keys, ends int64) {
	t.Helper()
	names := s.IndexKeys("api", overrides)
	return server.Do(t, "ZCARD", names[0]).(int64), server.Do(t, "ZCARD", names[1]).(int64)
}

// TestListOfManyKeys lists 2,500 keys on a single server and on a Cluster, while others come, go and are changed.
func TestListOfManyKeys(t *testing.T) {
	t.Parallel()
	const many = 2500
	for name, url := range map[string]string{
		"single":  redistest.Start(t, redistest.Options{}).URL(),
		"cluster": redistest.StartCluster(t).URL(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := newStore(t, newClient(t, url), redisstore.Config{Timeout: patient})
			var all sync.WaitGroup
			for part := range 10 {
				all.Go(func() {
					for i := part; i < many; i += 10 {
						a := hourlong
						if i%2 == 0 {
							a.Except = for5.Except
						}
						amend(t, store, fmt.Sprint("key", i), a)
					}
				})
			}
			all.Wait()
			for _, most := range []int{1000, 333} {
				n := 0
				got := list(t, store, sluice.List{Most: most}, func() {
					n++
					amend(t, store, fmt.Sprint("passing", n), hourlong)
					amend(t, store, fmt.Sprint("passing", n-1), nothing)
					// Another end is no reason to be missed.
					amend(t, store, fmt.Sprint("key", n), sluice.Amendment{Bar: &sluice.Bar{For: time.Minute}})
					amend(t, store, fmt.Sprint("key", many-n), sluice.Amendment{Bar: &sluice.Bar{For: 2 * time.Hour}})
				})
				got = slices.DeleteFunc(got, func(key string) bool { return strings.HasPrefix(key, "passing") })
				slices.Sort(got)
				if len(got) != many || len(slices.Compact(got)) != many {
					t.Errorf("pages of %d have %d keys, want %d that are different", most, len(got), many)
				}
			}
			if got := list(t, store, sluice.List{Most: 400, Overrides: true}, func() {}); len(got) != many/2 {
				t.Errorf("%d overrides are listed, want %d", len(got), many/2)
			}
		})
	}
}

// TestListNamesKeys lists keys that are not spelled in Redis as they are.
func TestListNamesKeys(t *testing.T) {
	t.Parallel()
	client := newClient(t, redistest.Start(t, redistest.Options{}).URL())
	for _, test := range []struct {
		hash      bool
		key, want string
	}{
		{false, "alice", "alice"},
		{false, "a{b}", "a{b}"},
		{false, "\x00|\xff", "\x00|\xff"},
		{false, strings.Repeat("k", 201), "#ebf0ead0a3b837bc388d6a36c93833ff"},
		{false, "#b8a4b706093b9c712e002b1b283c0486", "#"}, // that of a{b}, but for its '#', which is no hash
		{true, "a", "#ca978112ca1bbdcafac231b39a23dc4d"},
	} {
		store := newStore(t, client, redisstore.Config{Timeout: patient, Prefix: fmt.Sprintf("%t:", test.hash), HashKeys: test.hash})
		amend(t, store, test.key, hourlong)
		got := list(t, store, sluice.List{Most: 10}, func() {})
		if len(got) != 1 || !strings.HasPrefix(got[0], test.want) || test.want == "#" && got[0] == test.key {
			t.Errorf("hashed %t: %.40q is listed as %q, want %q", test.hash, test.key, got, test.want)
		}
		amend(t, store, test.key, nothing)
		if got := list(t, store, sluice.List{Most: 10}, func() {}); len(got) != 0 {
			t.Errorf("hashed %t: %.40q is no longer barred, and %q are listed", test.hash, test.key, got)
		}
	}
}

// TestIndexCleansItself puts into an index what is not true, and looks what becomes of it.
func TestIndexCleansItself(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	client := newClient(t, server.URL())
	store := newStore(t, client, redisstore.Config{Timeout: patient})
	index := store.IndexKeys("api", false)
	now := time.Now()
	amend(t, store, "barred", hourlong)
	amend(t, store, "foreign", hourlong)
	if err := do(t, client, "SET", store.StandingKey("api", "foreign"), "x").Error(); err != nil {
		t.Fatal(err)
	}
	add := func(key string, ends time.Time) {
		server.Do(t, "ZADD", index[0], "0", key)
		server.Do(t, "ZADD", index[1], fmt.Sprint(ends.UnixMicro()), key)
	}
	add("never barred", now.Add(time.Hour))
	for i := range 1500 {
		add(fmt.Sprint("long over ", i), now.Add(-2*time.Hour))
	}
	amend(t, store, "barred", hourlong) // two calls of the index drop 1,000 each
	if keys, ends := members(t, store, server, false); keys != 3 || ends != 3 {
		t.Errorf("the index has %d keys and %d ends, want 3: what has long ended is dropped", keys, ends)
	}
	if got := list(t, store, sluice.List{Most: 10}, func() {}); !slices.Equal(got, []string{"barred"}) {
		t.Errorf("%q are listed, want the one that is barred", got)
	}
	if keys, ends := members(t, store, server, false); keys != 2 || ends != 2 {
		t.Errorf("the index has %d keys and %d ends, want the one that is barred and the one that nobody can read", keys, ends)
	}
	for _, name := range index {
		if ms := server.Do(t, "PTTL", name).(int64); ms < 3*3_590_000 || ms > 3*3_600_000+1 {
			t.Errorf("the index lives %d ms, want an hour and two to spare", ms)
		}
	}

	brief := sluice.Amendment{Except: &sluice.Exception{Limits: for5.Except.Limits, For: time.Hour}}
	amend(t, store, "brief", brief)
	amend(t, store, "k", for5)
	amend(t, store, "k", brief)
	if keys, ends := members(t, store, server, true); keys != 2 || ends != 1 {
		t.Errorf("the index of overrides has %d keys and %d ends, want two and, because one was for good, one end", keys, ends)
	}
	if ms := server.Do(t, "PTTL", store.IndexKeys("api", true)[0]).(int64); ms != -1 {
		t.Errorf("an index with a key for good lives %d ms, want for good", ms)
	}
	amend(t, store, "k", sluice.Amendment{Unexcept: true})
	if ms := server.Do(t, "PTTL", store.IndexKeys("api", true)[0]).(int64); ms < 0 {
		t.Errorf("an index without a key for good lives %d ms, want three hours", ms)
	}
	amend(t, store, "brief", sluice.Amendment{Unexcept: true})
	if keys, ends := members(t, store, server, true); keys != 0 || ends != 0 {
		t.Errorf("the index of overrides has %d keys and %d ends, want none", keys, ends)
	}
}

func TestListErrors(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	store := newStore(t, newClient(t, server.URL()), redisstore.Config{Timeout: patient})
	var invalid *sluice.InvalidError
	if _, err := store.List(t.Context(), sluice.List{Policy: "api", Most: 1, Cursor: "*"}); !errors.As(err, &invalid) || invalid.Field != "cursor" {
		t.Errorf("List by a cursor that is none: %v, want an InvalidError of the field cursor", err)
	}
	server.Do(t, "SET", store.IndexKeys("api", false)[0], "x")
	if page, err := store.List(t.Context(), sluice.List{Policy: "api", Most: 1}); err == nil {
		t.Errorf("List over a foreign value = %v, want an error", page)
	}
	if _, err := store.Amend(t.Context(), sluice.Amendment{Policy: "api", Key: "k", Bar: hourlong.Bar}); err == nil {
		t.Error("a block was begun that cannot be listed")
	}
	if is := amend(t, store, "k", sluice.Amendment{}); is.Block != nil {
		t.Errorf("after a block that could not be listed: %+v, want none", is.Block)
	}
}

// TestPenaltiesAreListed has keys barred by a penalty, which Run lists; and again where the index was lost.
func TestPenaltiesAreListed(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{
		"single":  redistest.Start(t, redistest.Options{}).URL(),
		"cluster": redistest.StartCluster(t).URL(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, url)
			policy := &sluice.Policy{
				Name: "api", Limits: []sluice.Limit{sluice.PerHour(1)},
				Penalty: &sluice.Penalty{After: 1, Within: time.Minute, For: time.Hour},
			}
			knock := func(s *redisstore.Store) {
				for i := range 20 {
					d, err := s.Check(t.Context(), sluice.Request{Policy: policy, Key: fmt.Sprint("k", i), Cost: 2})
					if _, barred := d.Blocked(); err != nil || !barred {
						t.Fatalf("Check = %v, %v, want a penalty", d, err)
					}
				}
			}
			lists := func(s *redisstore.Store, want int) {
				t.Helper()
				for deadline := time.Now().Add(patient); ; time.Sleep(time.Millisecond) {
					got := len(list(t, s, sluice.List{Most: 7}, func() {}))
					if got == want {
						return
					}
					if time.Now().After(deadline) {
						t.Fatalf("%d keys are listed, want %d", got, want)
					}
				}
			}
			first := newStore(t, client, redisstore.Config{Timeout: patient})
			knock(first)
			lists(first, 0)
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			run := func(s *redisstore.Store) {
				running.Go(func() {
					if err := s.Run(ctx); err != nil {
						t.Errorf("Run: %v", err)
					}
				})
			}
			run(first)
			lists(first, 20)

			for _, key := range first.IndexKeys("api", false) {
				if err := do(t, client, "DEL", key).Error(); err != nil {
					t.Fatal(err)
				}
			}
			knock(first) // which has noted them lately
			lists(first, 0)
			second := newStore(t, client, redisstore.Config{Timeout: patient})
			run(second)
			knock(second)
			lists(second, 20)
			cancel()
			running.Wait()
		})
	}
}

// TestNotesKeepNoText has many keys barred that are parts of long texts, while nothing brings the notes of them to the index.
func TestNotesKeepNoText(t *testing.T) {
	const many, long = 64, 1 << 20
	store := newStore(t, newClient(t, redistest.Start(t, redistest.Options{}).URL()), redisstore.Config{Timeout: patient})
	policy := &sluice.Policy{
		Name: "api", Limits: []sluice.Limit{sluice.PerHour(1)},
		Penalty: &sluice.Penalty{After: 1, Within: time.Minute, For: time.Hour},
	}
	heap := func() int64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	before := heap()
	for i := range many {
		text := fmt.Sprintf("%07d%s", i, strings.Repeat(" ", long))
		d, err := store.Check(t.Context(), sluice.Request{Policy: policy, Key: text[:7], Cost: 2})
		if _, barred := d.Blocked(); err != nil || !barred {
			t.Fatalf("Check = %v, %v, want a penalty", d, err)
		}
	}
	if grown := heap() - before; grown > many*long/2 {
		t.Errorf("notes of %d keys, each a part of 1 MiB, take %d bytes", many, grown)
	}
	runtime.KeepAlive(store)
}

// TestNoteThatDoesNotArrive has Run fail to note a block: the next refusal is reason to note it again.
func TestNoteThatDoesNotArrive(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	store := newStore(t, newClient(t, server.URL()), redisstore.Config{Timeout: patient})
	policy := &sluice.Policy{
		Name: "api", Limits: []sluice.Limit{sluice.PerHour(1)},
		Penalty: &sluice.Penalty{After: 1, Within: time.Minute, For: time.Hour},
	}
	knock := func() {
		if _, err := store.Check(t.Context(), sluice.Request{Policy: policy, Key: "k", Cost: 2}); err != nil {
			t.Fatal(err)
		}
	}
	index := store.IndexKeys("api", false)[0]
	server.Do(t, "SET", index, "x")
	knock()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { _ = store.Run(ctx) })
	server.WaitForInfo(t, "commandstats", "cmdstat_zadd:calls=1,")
	server.Do(t, "DEL", index)
	for deadline := time.Now().Add(patient); ; time.Sleep(time.Millisecond) {
		knock()
		if got := list(t, store, sluice.List{Most: 7}, func() {}); len(got) == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the key that is barred is not listed")
		}
	}
}

// TestNothingThatHoldsIsUnlisted has many callers bar, free and list the same keys. Whatever is barred in the end is
// listed.
func TestNothingThatHoldsIsUnlisted(t *testing.T) {
	t.Parallel()
	client := newClient(t, redistest.Start(t, redistest.Options{}).URL())
	for round := range 20 {
		store := newStore(t, client, redisstore.Config{Timeout: patient, Prefix: fmt.Sprint(round, ":")})
		var all sync.WaitGroup
		for c := range 8 {
			all.Go(func() {
				for i := range 12 {
					key := fmt.Sprint(i * (c + 1) % 3)
					switch (c + i) % 3 {
					case 0:
						amend(t, store, key, sluice.Amendment{Unbar: true})
					case 1:
						amend(t, store, key, hourlong)
					default:
						list(t, store, sluice.List{Most: 2}, func() {})
					}
				}
			})
		}
		all.Wait()
		var want []string
		for i := range 3 {
			if key := fmt.Sprint(i); amend(t, store, key, sluice.Amendment{}).Block != nil {
				want = append(want, key)
			}
		}
		if got := list(t, store, sluice.List{Most: 2}, func() {}); !slices.Equal(got, want) {
			t.Fatalf("round %d: %q are listed, want %q", round, got, want)
		}
	}
}
