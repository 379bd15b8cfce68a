package config

import (
	"context"

	"github.com/sluice-project/sluice/internal/watch"
)

// Watch reads the files of a directory once a second and whenever something comes from reload, until ctx ends; it returns
// ctx.Err() then. It calls apply with the first configuration without faults and with each that differs from the one
// before; after a reload also where nothing has changed. Where files cannot be read or have faults, fail is called, once
// until something changes, and nothing is applied. Contents are compared, not times, so that it works on every file
// system, and when a symbolic link on the way to the directory is pointed elsewhere. Both functions are called on the
// caller's goroutine.
func Watch(ctx context.Context, dir string, o Options, reload <-chan struct{}, apply func(*Config), fail func(error)) error {
	return watch.Watch(ctx, reload, watch.Files{
		Read: func() ([]File, error) { return read(dir, o) },
		Take: func(files []File) {
			c, err := Parse(files, o)
			if err != nil {
				fail(err)
				return
			}
			apply(c)
		},
		Fail: fail,
	})
}
