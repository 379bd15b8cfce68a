package ledger

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/sluice-project/sluice"
)

var _ Ledger = (*Memory)(nil)

// Memory is a [Ledger] in the memory of a process, where it ends with the process.
type Memory struct {
	now func() sluice.Tick

	mu       sync.Mutex
	version  Version
	restored Version
	entries  map[id]Entry
	logs     map[string]*memoryLog
	watchers map[chan struct{}]struct{} // each has room for one signal
}

// id says which entry.
type id struct{ kind, name string }

// memoryLog is the newest lines of a log, oldest first.
type memoryLog struct {
	lines []Line
	gone  int // lines that were before them
}

// NewMemory returns a ledger without entries that reads the time by now; nil is the wall clock.
func NewMemory(now func() sluice.Tick) *Memory {
	if now == nil {
		now = func() sluice.Tick { return sluice.Tick(time.Now().UnixMicro()) }
	}
	return &Memory{
		now:      now,
		entries:  make(map[id]Entry),
		logs:     make(map[string]*memoryLog),
		watchers: make(map[chan struct{}]struct{}),
	}
}

// Load implements [Ledger].
func (m *Memory) Load(ctx context.Context) (Contents, error) {
	if err := ctx.Err(); err != nil {
		return Contents{}, notSent(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	contents := Contents{Version: m.version, Restored: m.restored, Now: m.now(), Entries: make([]Entry, 0, len(m.entries))}
	for _, e := range m.entries {
		contents.Entries = append(contents.Entries, e)
	}
	return contents, nil
}

// Version implements [Ledger].
func (m *Memory) Version(ctx context.Context) (Version, sluice.Tick, error) {
	if err := ctx.Err(); err != nil {
		return 0, 0, notSent(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.version, m.now(), nil
}

// Commit implements [Ledger].
func (m *Memory) Commit(ctx context.Context, c Change) (Receipt, error) {
	if err := c.Validate(); err != nil {
		return Receipt{}, err
	}
	if err := ctx.Err(); err != nil {
		return Receipt{}, notSent(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if err := m.refusal(&c, now); err != nil {
		return Receipt{}, err
	}
	m.change(&c, now)
	for _, a := range c.Append {
		m.append(a, now)
	}
	return Receipt{Version: m.version, Now: now}, nil
}

// refusal returns why a change is not carried out at now, or nil.
func (m *Memory) refusal(c *Change, now sluice.Tick) error {
	if c.Restore > 0 && m.version != 0 && (m.restored == 0 || m.restored >= c.Restore) {
		return &ConflictError{Current: m.version}
	}
	for _, e := range c.Expect {
		if current := m.entries[id{e.Kind, e.Name}].Revision; current != e.Revision {
			return &ConflictError{Kind: e.Kind, Name: e.Name, Current: current}
		}
	}
	if now < c.Due {
		return ErrNotDue
	}
	return nil
}

// change deletes and puts entries, and makes a version of it where that changes something.
func (m *Memory) change(c *Change, now sluice.Tick) {
	before := len(m.entries)
	if c.Restore > 0 {
		clear(m.entries)
	}
	for _, e := range c.Delete {
		delete(m.entries, id{e.Kind, e.Name})
	}
	if c.Restore == 0 && len(c.Put) == 0 && len(m.entries) == before {
		return
	}
	m.version = max(m.version+1, Version(now), c.Restore+1)
	m.restored = c.Restore
	for _, e := range c.Put {
		m.entries[id{e.Kind, e.Name}] = Entry{Kind: e.Kind, Name: e.Name, Revision: m.version, Value: bytes.Clone(e.Value)}
	}
	for w := range m.watchers {
		signal(w)
	}
}

func (m *Memory) append(a Append, now sluice.Tick) {
	l := m.logs[a.Log]
	if l == nil {
		l = &memoryLog{}
		m.logs[a.Log] = l
	}
	l.lines = append(l.lines, Line{At: now, Value: bytes.Clone(a.Value)})
	if old := len(l.lines) - a.Keep; old > 0 {
		clear(l.lines[:old])
		l.lines = l.lines[old:]
		l.gone += old
	}
}

// Watch implements [Ledger]. It hears of every commit.
func (m *Memory) Watch(ctx context.Context, changed func()) error {
	w := make(chan struct{}, 1)
	signal(w)
	m.mu.Lock()
	m.watchers[w] = struct{}{}
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.watchers, w)
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w:
			changed()
		}
	}
}

// signal leaves a signal unless one waits already.
func signal(w chan struct{}) {
	select {
	case w <- struct{}{}:
	default:
	}
}

// Log implements [Ledger]. A cursor is the number of the last line that was returned; the first of all has number 0.
func (m *Memory) Log(ctx context.Context, log string, before string, most int) ([]Line, string, error) {
	if err := ValidatePage(most); err != nil {
		return nil, "", err
	}
	last := -1
	if before != "" {
		var err error
		if last, err = strconv.Atoi(before); err != nil || last < 0 {
			return nil, "", invalid("before", "%.64q is no cursor of a log; send one that was returned with its lines", before)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, "", notSent(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.logs[log]
	if l == nil {
		return nil, "", nil
	}
	end := len(l.lines)
	if last >= 0 {
		end = min(end, max(0, last-l.gone))
	}
	lines := make([]Line, 0, min(most, end))
	for end > 0 && len(lines) < most {
		end--
		lines = append(lines, l.lines[end])
	}
	if end == 0 {
		return lines, "", nil
	}
	return lines, strconv.Itoa(l.gone + end), nil
}

func notSent(err error) error { return fmt.Errorf("ledger: %w: %w", sluice.ErrNotSent, err) }
