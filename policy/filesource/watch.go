package filesource

import (
	"context"

	"github.com/sluice-project/sluice/internal/watch"
)

// Watch reads the file at a path now, then once a second and whenever something comes from reload, until ctx ends; it
// returns ctx.Err() then. It calls apply with the first content that has no faults and with each that differs from the
// one before; after a reload also where nothing has changed. What cannot be read or has faults goes to fail, once until
// something changes, and nothing is applied. Contents are compared, not times, so that it works on every file system
// and when a symbolic link is pointed elsewhere. Both functions are called on the caller's goroutine.
func Watch(ctx context.Context, path string, reload <-chan struct{}, apply func(*File), fail func(error)) error {
	return watch.Watch(ctx, reload, watch.Files{
		Read: func() ([]watch.File, error) {
			data, err := watch.Read(path, maxBytes)
			return []watch.File{{Name: path, Data: data}}, err
		},
		Take: func(files []watch.File) {
			f, err := Parse(path, files[0].Data)
			if err != nil {
				fail(err)
				return
			}
			apply(f)
		},
		Fail: fail,
	})
}
