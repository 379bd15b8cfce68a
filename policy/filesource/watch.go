package filesource

import (
	"bytes"
	"context"
	"time"
)

const (
	pollEvery = time.Second
	// settle is how long a new content must stay as it is before it is taken for whole: a file may be read while
	// somebody writes it, and the first half of a configuration can be a legal configuration.
	settle = 50 * time.Millisecond
)

// Watch reads the file at a path now, then once a second and whenever something comes from reload, until ctx ends; it
// returns ctx.Err() then. It calls apply with the first content that has no faults and with each that differs from the
// one before; after a reload also where nothing has changed. What cannot be read or has faults goes to fail, once until
// something changes, and nothing is applied. Contents are compared, not times, so that it works on every file system
// and when a symbolic link is pointed elsewhere. Both functions are called on the caller's goroutine.
func Watch(ctx context.Context, path string, reload <-chan struct{}, apply func(*File), fail func(error)) error {
	w := watcher{path: path, apply: apply, fail: fail}
	w.look(ctx, true)
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			w.look(ctx, false)
		case _, open := <-reload:
			if !open {
				reload = nil
				continue
			}
			w.look(ctx, true)
		}
	}
}

type watcher struct {
	path  string
	apply func(*File)
	fail  func(error)

	seen    []byte // the content that apply or fail was last called for
	failure string // why the file could not be read when it was last looked at
}

// look reads the file and acts on what has changed; where it was asked for, also on what has not.
func (w *watcher) look(ctx context.Context, asked bool) {
	data, err := read(w.path)
	if err == nil && !asked && !bytes.Equal(data, w.seen) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(settle):
		}
		var again []byte
		if again, err = read(w.path); err == nil && !bytes.Equal(again, data) {
			return // somebody is writing; the next look will see
		}
	}
	if err != nil {
		if asked || err.Error() != w.failure {
			w.fail(err)
		}
		w.failure = err.Error()
		return
	}
	w.failure = ""
	if !asked && bytes.Equal(data, w.seen) {
		return
	}
	w.seen = data
	f, err := Parse(w.path, data)
	if err != nil {
		w.fail(err)
		return
	}
	w.apply(f)
}
