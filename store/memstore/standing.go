package memstore

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/algorithm"
)

// decide answers a request for a key that has a standing. It reports whether it wrote to the counters, and how long they
// mean something then, and whether it wrote to the standing.
func (st *standing) decide(r *algorithm.Record, req *sluice.Request, at sluice.Tick, d *sluice.Decision) (written, amended bool, life time.Duration) {
	asked, amended := st.Ask(req, at)
	written = r.Decide(&asked, at, d)
	life = d.ResetAfter
	return written, st.Answer(req, at, d) || amended, life
}

// Amend implements [sluice.Store].
func (s *Store) Amend(ctx context.Context, a sluice.Amendment) (sluice.Standing, error) {
	if err := ctx.Err(); err != nil {
		return sluice.Standing{}, fmt.Errorf("memstore: %w: %w", sluice.ErrNotSent, err)
	}
	sh, hash := s.place(s.hash(a.Policy, a.Key))
	sh.lock()
	defer sh.mu.Unlock()
	e := sh.find(hash, a.Policy, a.Key)
	known := e != nil
	if !known {
		e = sh.blank(hash, a.Policy, a.Key)
	}
	defer e.release()
	now := s.clock.now()
	e.last = now
	at, grace := instants(a.At, now)
	st := e.standing()
	if st == nil {
		st = new(standing)
	}
	is, written := st.Amend(&a, at)
	if written {
		e.addMore(a.Policy, a.Key)
		sh.stand(e, st, expiry(st.Ends(), at, now, grace))
		s.keep(sh, e, known, now)
	} else {
		s.leave(sh, e, known)
	}
	return is, nil
}

// list names the keys of a policy that have a block or an override.
type list struct {
	policy string
	kind   int
}

// list enters an entry into the lists that it is to be in, and takes it out of the others.
func (sh *shard) list(e *entry, in [2]bool) {
	st := e.standing()
	if st == nil {
		return
	}
	for kind := range in {
		if st.listed[kind] == in[kind] {
			continue
		}
		st.listed[kind] = in[kind]
		name := list{e.more.policy, kind}
		place, _ := placeIn(sh.lists[name], e.more.key)
		if in[kind] {
			sh.lists[name] = slices.Insert(sh.lists[name], place, e)
			continue
		}
		sh.lists[name] = slices.Delete(sh.lists[name], place, place+1)
		if len(sh.lists[name]) == 0 {
			delete(sh.lists, name)
		}
	}
}

func placeIn(entries []*entry, key string) (place int, found bool) {
	return slices.BinarySearchFunc(entries, key, func(e *entry, key string) int { return strings.Compare(e.more.key, key) })
}

// List implements [sluice.Store]. Keys come in the order of shards, and by the key within each.
func (s *Store) List(ctx context.Context, l sluice.List) (sluice.Page, error) {
	if err := ctx.Err(); err != nil {
		return sluice.Page{}, fmt.Errorf("memstore: %w: %w", sluice.ErrNotSent, err)
	}
	at, err := s.readCursor(l.Cursor)
	if err != nil {
		return sluice.Page{}, err
	}
	name := list{policy: l.Policy, kind: blocks}
	if l.Overrides {
		name.kind = overrides
	}
	page, looked := sluice.Page{}, 0
	for ; at.shard < len(s.shards); at = (cursor{shard: at.shard + 1}) {
		looked += s.listShard(&page, name, &at, l.Most-looked)
		if looked == l.Most {
			page.Cursor = at.String()
			break
		}
	}
	return page, nil
}

// listShard adds the keys of a shard's list behind a cursor to a page. It looks at most many, moves the cursor behind
// them, and returns how many there were.
func (s *Store) listShard(page *sluice.Page, name list, at *cursor, most int) (looked int) {
	sh := &s.shards[at.shard]
	sh.lock()
	defer sh.mu.Unlock()
	now := s.clock.now()
	from, found := placeIn(sh.lists[name], at.key)
	if found {
		from++
	}
	// A copy, because what has expired leaves the list.
	entries := slices.Clone(sh.lists[name][from:min(from+most, len(sh.lists[name]))])
	for _, e := range entries {
		at.key = e.more.key
		if is := s.listed(sh, e, now); is.Block != nil && name.kind == blocks || is.Override != nil && name.kind == overrides {
			page.Entries = append(page.Entries, sluice.Listed{Key: at.key, Standing: is})
		}
	}
	return len(entries)
}

// listed returns the standing of an entry of a list.
func (s *Store) listed(sh *shard, e *entry, now int64) sluice.Standing {
	e.acquire()
	defer e.release()
	e.last = now
	st := e.standing()
	if st.expires <= now {
		sh.stand(e, nil, 0)
		s.keep(sh, e, true, now)
		return sluice.Standing{}
	}
	is, written := st.Amend(&sluice.Amendment{}, sluice.Tick(now))
	if written {
		sh.stand(e, st, expiry(st.Ends(), sluice.Tick(now), now, 0))
		s.keep(sh, e, true, now)
	}
	return is
}

// cursor is a place in a list: behind a key of a shard, which need not be there any more. Without a key it is before the
// first.
type cursor struct {
	shard int
	key   string
}

func (c cursor) String() string {
	return base64.RawURLEncoding.EncodeToString(append(binary.AppendUvarint(nil, uint64(c.shard)), c.key...))
}

// readCursor is the inverse of [cursor.String]; "" is the beginning.
func (s *Store) readCursor(text string) (c cursor, err error) {
	if text == "" {
		return c, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	shard, n := binary.Uvarint(b)
	if err != nil || n <= 0 || shard >= uint64(len(s.shards)) {
		return c, &sluice.InvalidError{
			Field: "cursor", Problem: "it must be one that a page of this list came with, since this process started",
		}
	}
	return cursor{int(shard), string(b[n:])}, nil
}
