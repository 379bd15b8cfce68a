package watch_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-project/sluice/internal/watch"
)

// TestWatch sees a change of any of several files, once, and a file that is gone, once.
func TestWatch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a", "1")
	write("b", "1")
	synctest.Test(t, func(t *testing.T) {
		events := make(chan string, 10)
		reload, ended := make(chan struct{}), make(chan error)
		ctx, stop := context.WithCancel(t.Context())
		go func() {
			ended <- watch.Watch(ctx, reload, watch.Files{
				Read: func() (files []watch.File, err error) {
					for _, name := range []string{"a", "b"} {
						data, err := watch.Read(filepath.Join(dir, name), 10)
						if err != nil {
							return nil, err
						}
						files = append(files, watch.File{Name: name, Data: data})
					}
					return files, nil
				},
				Take: func(files []watch.File) { events <- string(files[0].Data) + string(files[1].Data) },
				Fail: func(error) { events <- "fail" },
			})
		}()
		after := func(what string, do func(), want ...string) {
			t.Helper()
			do()
			time.Sleep(1100 * time.Millisecond)
			synctest.Wait()
			var got []string
			for len(events) > 0 {
				got = append(got, <-events)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, -want +got:\n%s", what, diff)
			}
		}
		after("at first", func() {}, "11")
		after("nothing has changed", func() {})
		after("the second has", func() { write("b", "2") }, "12")
		after("one is gone", func() { _ = os.Remove(filepath.Join(dir, "a")) }, "fail")
		after("it is still gone", func() {})
		after("it is there again as it was", func() { write("a", "1") })
		after("somebody asks", func() { reload <- struct{}{} }, "12")
		after("nobody will ask any more", func() { close(reload) })
		after("the first has changed", func() { write("a", "3") }, "32")
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch = %v, want context.Canceled", err)
		}
	})
}

func TestRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "long")
	if err := os.WriteFile(path, []byte(strings.Repeat("x", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := watch.Read(path, 10); err != nil || len(data) != 11 {
		t.Errorf("Read of a long file = %d bytes, %v; want one more than the most", len(data), err)
	}
	for _, strange := range []string{filepath.Dir(path), filepath.Join(filepath.Dir(path), "none")} {
		if _, err := watch.Read(strange, 10); err == nil || !strings.Contains(err.Error(), strange) {
			t.Errorf("Read(%s) = %v, want an error that names it", strange, err)
		}
	}
}
