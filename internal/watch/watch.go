// Package watch looks at files and says when they have changed.
//
// It knows nothing of what is in them: who has it look says how they are read, and what becomes of them. It imports the
// standard library only.
package watch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

const (
	pollEvery = time.Second
	// settle is how long a new content must stay as it is before it is taken for whole: a file may be read while
	// somebody writes it, and the first half of a configuration can be a legal configuration.
	settle = 50 * time.Millisecond
)

// File is the content of one file.
type File struct {
	Name string
	Data []byte
}

// Files are some files that belong together, and what becomes of them.
type Files struct {
	// Read returns what they hold now.
	Read func() ([]File, error)
	// Take is called with what they hold when they are looked at first, and whenever that is not what it was before.
	Take func([]File)
	// Fail is called where they cannot be read, once until that changes.
	Fail func(error)
}

// Watch looks at files now, then once a second and whenever something comes from reload, until ctx ends; it returns ctx.Err()
// then. After a reload it calls Take also where nothing has changed. Contents are compared, not times, so that it works on
// every file system and when a symbolic link is pointed elsewhere. What is called is called on the caller's goroutine.
func Watch(ctx context.Context, reload <-chan struct{}, f Files) error {
	w := watcher{Files: f}
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
	Files

	seen    []File // the contents that Take was last called with
	failure string // why they could not be read when they were last looked at
}

// look reads the files and acts on what has changed; where it was asked for, also on what has not.
func (w *watcher) look(ctx context.Context, asked bool) {
	files, err := w.Read()
	if err == nil && !asked && !same(files, w.seen) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(settle):
		}
		var again []File
		if again, err = w.Read(); err == nil && !same(again, files) {
			return // somebody is writing; the next look will see
		}
	}
	if err != nil {
		if asked || err.Error() != w.failure {
			w.Fail(err)
		}
		w.failure = err.Error()
		return
	}
	w.failure = ""
	if !asked && same(files, w.seen) {
		return
	}
	w.seen = files
	w.Take(files)
}

// same reports whether two readings are equal.
func same(a, b []File) bool {
	return slices.EqualFunc(a, b, func(a, b File) bool { return a.Name == b.Name && bytes.Equal(a.Data, b.Data) })
}

// Read returns the content of a file. Of one that has more than most bytes it returns one byte more than that, which is
// enough to see that it is too long.
func Read(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path) // before it is opened: to open a pipe waits for whoever writes to it
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: it must be a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	return data, errors.Join(err, file.Close())
}
