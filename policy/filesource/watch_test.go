package filesource

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// watched is a Watch that runs in a synctest bubble.
type watched struct {
	t      *testing.T
	path   string
	reload chan struct{}
	stop   context.CancelFunc
	events chan string // "apply STORE_TIMEOUT" and "fail ERROR"
	ended  chan error
}

// watching runs Watch in a synctest bubble, and test with it.
func watching(t *testing.T, path string, test func(w *watched)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		w := &watched{t: t, path: path, reload: make(chan struct{}), stop: stop, events: make(chan string, 10), ended: make(chan error)}
		go func() {
			w.ended <- Watch(ctx, path, w.reload,
				func(f *File) { w.events <- "apply " + f.StoreTimeout.String() },
				func(err error) { w.events <- "fail " + err.Error() })
		}()
		test(w)
		stop()
		if err := <-w.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch = %v after its context was canceled, want context.Canceled", err)
		}
	})
}

// after waits and says what must have happened since it was called last.
func (w *watched) after(d time.Duration, want ...string) {
	w.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	var got []string
	for len(w.events) > 0 {
		got = append(got, <-w.events)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("after %s, -want +got:\n%s", d, diff)
	}
}

func (w *watched) write(text string) { writeFile(w.t, w.path, text) }

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// settle is how long what is written must stay as it is before it is read for whole.
const settle = 50 * time.Millisecond

const (
	first  = "store_timeout: 1s\n"
	second = "store_timeout: 2s\n"
	faulty = "store_timeout: 3\n"
)

func TestWatch(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sluice.yaml")
	writeFile(t, path, first)
	fault := "fail " + faultsOfFile(path, faulty)
	watching(t, path, func(w *watched) {
		w.after(0, "apply 1s")
		w.after(time.Hour)
		w.write(second)
		w.after(2*time.Second, "apply 2s")
		w.write(faulty)
		w.after(time.Hour, fault)
		w.write("store_timeout: 3 # still\n")
		w.after(2*time.Second, "fail "+faultsOfFile(path, "store_timeout: 3 # still\n"))
		w.write(second)
		w.after(time.Hour, "apply 2s")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		w.after(2*time.Second, "fail stat "+path+": no such file or directory")
		w.after(time.Hour)
		w.write(second)
		w.after(time.Hour)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		w.after(2*time.Second, "fail stat "+path+": no such file or directory")
		w.write(first)
		w.after(2*time.Second, "apply 1s")
	})
}

func faultsOfFile(path, text string) string {
	_, err := Parse(path, []byte(text))
	return err.Error()
}

func TestWatchReload(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sluice.yaml")
	writeFile(t, path, faulty)
	fault := "fail " + faultsOfFile(path, faulty)
	watching(t, path, func(w *watched) {
		w.after(0, fault)
		w.after(time.Hour)
		w.reload <- struct{}{}
		w.after(0, fault)
		w.write(first)
		w.reload <- struct{}{}
		w.after(0, "apply 1s")
		w.reload <- struct{}{}
		w.after(0, "apply 1s")
		w.after(time.Hour)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		w.after(2*time.Second, "fail stat "+path+": no such file or directory")
		w.reload <- struct{}{}
		w.after(0, "fail stat "+path+": no such file or directory")
		w.write(first)
		close(w.reload)
		w.after(time.Hour)
		w.write(second)
		w.after(2*time.Second, "apply 2s")
	})
}

// TestWatchWaitsForTheWholeFile writes a file in pieces, each of which is a legal configuration.
func TestWatchWaitsForTheWholeFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sluice.yaml")
	writeFile(t, path, first)
	watching(t, path, func(w *watched) {
		w.after(time.Second-1, "apply 1s")
		w.write("policies: {}\n")
		w.after(settle/2 + 1)
		w.write("policies: {}\n" + second)
		w.after(settle)
		w.after(2*time.Second, "apply 2s")
	})
}

func TestWatchEndsWhileItWaits(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sluice.yaml")
	writeFile(t, path, first)
	watching(t, path, func(w *watched) {
		w.after(time.Second-1, "apply 1s")
		w.write(second)
		w.after(1 + settle/2)
		w.stop()
		w.after(settle)
	})
}

// TestWatchConfigMap swaps a file as a kubelet does: the file is a link through a link to a directory, which is renamed.
func TestWatchConfigMap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "sluice.yaml")
	// project writes the file into a directory of its own and points ..data at it.
	project := func(version, text string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, version, "sluice.yaml"), text)
		next := filepath.Join(dir, "..data_tmp")
		if err := errors.Join(os.Symlink(version, next), os.Rename(next, filepath.Join(dir, "..data"))); err != nil {
			t.Fatal(err)
		}
	}
	project("..2026_01_01_00_00_00.1", first)
	if err := os.Symlink(filepath.Join("..data", "sluice.yaml"), path); err != nil {
		t.Fatal(err)
	}
	watching(t, path, func(w *watched) {
		w.after(0, "apply 1s")
		project("..2026_01_01_00_00_01.2", second)
		if err := os.RemoveAll(filepath.Join(dir, "..2026_01_01_00_00_00.1")); err != nil {
			t.Fatal(err)
		}
		w.after(2*time.Second, "apply 2s")
		project("..2026_01_01_00_00_02.3", faulty)
		w.after(time.Hour, "fail "+faultsOfFile(path, faulty))
		project("..2026_01_01_00_00_03.4", first)
		w.after(2*time.Second, "apply 1s")
	})
}

func TestWatchNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "none", "sluice.yaml")
	var got []error
	ctx, stop := context.WithCancel(t.Context())
	stop()
	err := Watch(ctx, path, nil, func(f *File) { t.Errorf("apply(%+v) of no file", f) }, func(err error) { got = append(got, err) })
	if !errors.Is(err, context.Canceled) || len(got) != 1 || !errors.Is(got[0], fs.ErrNotExist) || !strings.Contains(got[0].Error(), path) {
		t.Errorf("Watch of no file = %v, fail(%v), want context.Canceled and one fs.ErrNotExist with the path", err, got)
	}
}
