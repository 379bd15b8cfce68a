package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/store/redisstore"
)

// servers is a hash that servers have themselves counted in.
type servers struct {
	t     *testing.T
	redis *redistest.Server
	*redisstore.Ledger
	key string
}

func newServers(t *testing.T) servers {
	redis := redistest.Shared(t)
	prefix := t.Name() + ":"
	ledger := newLedger(t, newClient(t, redis.URL()), redisstore.LedgerConfig{Prefix: prefix})
	return servers{t, redis, ledger, prefix + "{~fleet}servers"}
}

// require has a server say that it is alive, and looks at what it is told.
func (s servers) require(name string, index, count int) {
	s.t.Helper()
	i, n, err := s.Beat(s.t.Context(), name)
	if i != index || n != count || err != nil {
		s.t.Fatalf("Beat(%s) = %d, %d, %v, want %d, %d", name, i, n, err, index, count)
	}
}

// age sets the instant at which a server has said that it is alive, back or ahead from now.
func (s servers) age(name string, by time.Duration) {
	s.redis.Do(s.t, "EVAL", `local t = redis.call('TIME')
		redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[2]))`,
		"1", s.key, name, fmt.Sprint(by.Milliseconds()))
}

func TestBeat(t *testing.T) {
	t.Parallel()
	s := newServers(t)
	s.require("m", 0, 1)
	s.require("z", 1, 2)
	s.require("a", 0, 3)
	s.require("m", 1, 3)
	s.require("m", 1, 3)

	s.age("a", -redisstore.BeatLife) // it has not been heard of for so long
	s.require("m", 0, 2)
	s.age("z", -redisstore.BeatLife+time.Second)
	s.require("m", 0, 2)
	s.age("z", redisstore.BeatLife+time.Minute) // Redis's clock was set back
	s.require("m", 0, 1)
	s.require("z", 1, 2)

	if err := s.Leave(t.Context(), "m"); err != nil {
		t.Errorf("Leave: %v", err)
	}
	s.require("z", 0, 1)
	if fields := s.redis.Do(t, "HKEYS", s.key).([]any); !slices.Equal(fields, []any{"z"}) {
		t.Errorf("servers in Redis: %v, want z alone", fields)
	}
	life := time.Duration(s.redis.Do(t, "PTTL", s.key).(int64)) * time.Millisecond
	if life <= 0 || life > redisstore.BeatLife {
		t.Errorf("the key lives for %s, want at most %s", life, redisstore.BeatLife)
	}
}

// TestServersLostOneByOne has servers lose Redis one after the other within eight seconds, each up to a second after it last said that
// it is alive: the last is told of all, so that their shares add up to the limit.
func TestServersLostOneByOne(t *testing.T) {
	t.Parallel()
	s := newServers(t)
	for i, name := range []string{"a", "b", "c", "d"} {
		s.require(name, i, i+1)
	}
	s.age("a", -8*time.Second-time.Second)
	s.age("b", -4*time.Second-time.Second)
	s.age("c", -time.Second)
	s.require("d", 3, 4)
}

// TestBeatFails does not wait for a Redis that is not there, nor for a caller who has gone.
func TestBeatFails(t *testing.T) {
	t.Parallel()
	s := newServers(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Beat(gone, "a"); !errors.Is(err, sluice.ErrNotSent) {
		t.Errorf("Beat with a context that has ended = %v, want %v", err, sluice.ErrNotSent)
	}
	s.redis.Do(t, "SET", s.key, "x")
	if _, _, err := s.Beat(t.Context(), "a"); err == nil {
		t.Error("Beat with another value in its place has no error")
	}
}

func TestPart(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	single := newStore(t, newClient(t, redistest.Shared(t).URL()), redisstore.Config{})
	store := newStore(t, newClient(t, cluster.URL()), redisstore.Config{})
	seen := map[int]bool{}
	for i := range 1000 {
		key := fmt.Sprint("key", i)
		part := store.Part("api", key)
		if slot := cluster.Nodes[0].Do(t, "CLUSTER", "KEYSLOT", "sluice:{api|"+key+"}").(int64); part != int(slot)*redisstore.Parts/16384 {
			t.Fatalf("Part of slot %d = %d", slot, part)
		}
		seen[part] = true
		if part := single.Part("api", key); part != 0 {
			t.Fatalf("Part of a single server = %d, want 0", part)
		}
	}
	if len(seen) != redisstore.Parts {
		t.Errorf("1000 keys are in %d parts, want %d", len(seen), redisstore.Parts)
	}
}
