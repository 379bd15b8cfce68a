package config

import (
	"context"
	"time"
)

const (
	pollEvery = time.Second
	// settle is how long new contents must stay as they are before they are taken for whole: somebody may be writing.
	settle = 50 * time.Millisecond
)

// Watch reads the files of a directory once a second and whenever something comes from reload, until ctx ends; it returns
// ctx.Err() then. It calls apply with the first configuration without faults and with each that differs from the one
// before; after a reload also where nothing has changed. Where files cannot be read or have faults, fail is called, once
// until something changes, and nothing is applied. Contents are compared, not times, so that it works on every file
// system, and when a symbolic link on the way to the directory is pointed elsewhere. Both functions are called on the
// caller's goroutine.
func Watch(ctx context.Context, dir string, o Options, reload <-chan struct{}, apply func(*Config), fail func(error)) error {
	w := watcher{dir: dir, options: o, apply: apply, fail: fail}
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
	dir     string
	options Options
	apply   func(*Config)
	fail    func(error)

	seen    []File // the contents that apply or fail was last called for
	failure string // why they could not be read when they were last looked at
}

// look reads the files and acts on what has changed; where it was asked for, also on what has not.
func (w *watcher) look(ctx context.Context, asked bool) {
	files, err := read(w.dir, w.options)
	if err == nil && !asked && !same(files, w.seen) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(settle):
		}
		var again []File
		if again, err = read(w.dir, w.options); err == nil && !same(again, files) {
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
	if !asked && same(files, w.seen) {
		return
	}
	w.seen = files
	c, err := Parse(files, w.options)
	if err != nil {
		w.fail(err)
		return
	}
	w.apply(c)
}
