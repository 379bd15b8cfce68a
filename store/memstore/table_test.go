package memstore

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-project/sluice"
)

// TestEntriesOfFewHashes adds and drops entries of which many have the same hash, and looks each time whether all that
// are there are found, each for itself: in nature that happens to nobody. Their row of slots begins at the first one, or at
// the end of the table and goes on at its beginning.
func TestEntriesOfFewHashes(t *testing.T) {
	t.Parallel()
	for _, least := range []uint32{0, math.MaxUint32 - 14} {
		t.Run(strconv.FormatUint(uint64(least), 16), func(t *testing.T) { testEntriesOfFewHashes(t, least) })
	}
}

func testEntriesOfFewHashes(t *testing.T, least uint32) {
	type name struct{ policy, key string }
	policies := []*sluice.Policy{{Name: "p", Limits: []sluice.Limit{sluice.PerHour(1)}}, {Name: "q", Limits: []sluice.Limit{sluice.PerHour(1)}}}
	hash := func(n name) uint32 { return least + uint32(len(n.key)%5)*3 }
	random := rand.New(rand.NewPCG(1, 2))
	sh := new(shard)
	sh.table.Store(newTable())
	there := make(map[name]bool)
	for range 20_000 {
		policy := policies[random.IntN(2)]
		key := strings.Repeat("k", random.IntN(60)) + string("ab"[random.IntN(2)]) + "end"
		n := name{policy.Name, key}
		e := sh.find(hash(n), n.policy, n.key)
		if found := e != nil; found != there[n] {
			t.Fatalf("%v is found: %t, want %t", n, found, there[n])
		}
		if e == nil {
			e = sh.blank(hash(n), n.policy, n.key)
			var d sluice.Decision
			e.record.Decide(&sluice.Request{Policy: policy, Key: key, Cost: 1}, 1, &d)
			if !d.Allowed {
				t.Fatalf("%v begins with what another has used", n)
			}
			e.expires = random.Int64N(1000)
			sh.insert(e)
		} else {
			sh.remove(e)
		}
		e.release()
		there[n] = !there[n]
	}
}

// TestAnEntryOfAnotherTable looks for a key by a table that was loaded before a chunk was added to it, which holds the key.
func TestAnEntryOfAnotherTable(t *testing.T) {
	t.Parallel()
	s, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	policy := &sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerHour(10)}}
	sh, met := &s.shards[0], 0
	for n := 0; met < 3; n++ {
		key := strconv.Itoa(n)
		hash := s.hash(policy.Name, key)
		at, within := s.place(hash)
		if at != sh {
			continue
		}
		old := sh.table.Load()
		if _, err := s.Check(t.Context(), sluice.Request{Policy: policy, Key: key, Cost: 1}); err != nil {
			t.Fatal(err)
		}
		now := sh.table.Load()
		if len(now.chunks) == len(old.chunks) || &now.slots[0] != &old.slots[0] {
			continue // it has its entry in the old table, or slots of its own
		}
		met++
		sh.table.Store(old)
		if e := sh.find(within, policy.Name, key); e != nil {
			t.Errorf("key %s is found in a table that does not have it", key)
		}
		sh.table.Store(now)
		if e := sh.find(within, policy.Name, key); e == nil {
			t.Errorf("key %s is not found", key)
		} else {
			e.release()
		}
	}
}
