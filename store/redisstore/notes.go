package redisstore

import (
	"context"
	"strings"
	"sync"
	"time"
)

// A penalty begins a block in the slot of its key, and the index of blocks is in another. So the store keeps a note of
// each block that it sees in a decision, and Run brings them to the index. Who is refused by a block that this process
// has not noted lately is noted again: a process that died, or a Redis that lost its index, hides no key that knocks.

const (
	// mostNotes is how many notes may wait for Run; those beyond are dropped, until the key is refused again.
	mostNotes = 4096
	// mostKnown is how many notes make a generation of those that are known; two are kept.
	mostKnown = 4096
	// lately is how long a generation lasts at most.
	lately = time.Minute
)

// blockNote is a block that was seen.
type blockNote struct {
	policy string
	listed
}

// notes are the blocks that were seen in decisions.
type notes struct {
	queue chan blockNote

	mu            sync.Mutex
	recent, older map[blockNote]struct{} // noted or waiting
	since         time.Time              // when recent was begun
}

func newNotes() *notes {
	return &notes{queue: make(chan blockNote, mostNotes), recent: make(map[blockNote]struct{})}
}

// add takes a note, unless it was taken lately.
func (n *notes) add(note blockNote) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now := time.Now(); len(n.recent) >= mostKnown || now.Sub(n.since) > lately {
		n.older, n.recent, n.since = n.recent, make(map[blockNote]struct{}), now
	}
	if _, known := n.recent[note]; known {
		return
	}
	if _, known := n.older[note]; known {
		return
	}
	note.entry = strings.Clone(note.entry) // it may be part of something large
	select {
	case n.queue <- note:
		n.recent[note] = struct{}{}
	default: // full
	}
}

// forget takes back notes that did not reach the index.
func (n *notes) forget(lost []blockNote) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, note := range lost {
		delete(n.recent, note)
		delete(n.older, note)
	}
}

// Run lists the blocks that penalties begin, until ctx ends; it returns nil then. Without it such blocks hold as well,
// but [Store.List] does not know them. One Run is enough for a store.
func (s *Store) Run(ctx context.Context) error {
	for {
		var batch []blockNote
		select {
		case note := <-s.notes.queue:
			batch = append(batch, note)
		case <-ctx.Done():
			return nil
		}
		for more := true; more && len(batch) < mostTogether; {
			select {
			case note := <-s.notes.queue:
				batch = append(batch, note)
			default:
				more = false
			}
		}
		s.listNotes(ctx, batch)
	}
}

// listNotes brings notes to the indexes of their policies. Those that do not arrive are forgotten: whoever is still
// barred will be noted again.
func (s *Store) listNotes(ctx context.Context, batch []blockNote) {
	byPolicy := make(map[string][]blockNote)
	for _, note := range batch {
		byPolicy[note.policy] = append(byPolicy[note.policy], note)
	}
	var calls []scriptCall
	var groups [][]blockNote
	for policy, group := range byPolicy {
		entries := make([]listed, len(group))
		for i := range group {
			entries[i] = group[i].listed
		}
		calls, groups = append(calls, s.noting(policy, false, entries...)), append(groups, group)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	for i, reply := range s.doScripts(ctx, indexScript, calls) {
		if reply.Error() != nil {
			s.notes.forget(groups[i])
		}
	}
}
