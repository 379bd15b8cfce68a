package config_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-project/sluice/server/envoyrls/config"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestLoad reads a directory as a Kubernetes ConfigMap makes it, with other files in it.
func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "..2026", "one.yaml"), "domain: one")
	write(t, filepath.Join(dir, "in", "two.yml"), "domain: two")
	write(t, filepath.Join(dir, "README.md"), "nonsense: [")
	write(t, filepath.Join(dir, ".hidden.yaml"), "nonsense: [")
	for link, to := range map[string]string{"..data": "..2026", "one.yaml": "..data/one.yaml"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load(dir, config.Options{})
	if err != nil || c.Domains() != 2 || !c.Knows("one") || !c.Knows("two") {
		t.Fatalf("Load = %+v, %v, want the domains one and two", c, err)
	}
	if _, err := config.Load(dir, config.Options{AllFiles: true}); err == nil || !strings.Contains(err.Error(), "README.md:1:1: it is no YAML") {
		t.Errorf("Load of all files = %v, want the fault of README.md", err)
	}
	for _, none := range []string{filepath.Join(dir, "nowhere"), filepath.Join(dir, "README.md")} {
		if _, err := config.Load(none, config.Options{}); err == nil {
			t.Errorf("Load(%s) is no error", none)
		}
	}
}

// TestWatch changes a file, breaks it, mends it, and points the link on the way to the directory elsewhere.
func TestWatch(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, version := range []string{"v1", "v2"} {
		write(t, filepath.Join(root, version, "config", "a.yaml"), "domain: "+version)
	}
	current := filepath.Join(root, "current")
	if err := os.Symlink("v1", current); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	events, done := make(chan string, 10), make(chan error)
	go func() {
		done <- config.Watch(ctx, filepath.Join(current, "config"), config.Options{}, nil,
			func(c *config.Config) {
				for _, name := range []string{"v1", "v2", "v3", "v4"} {
					if c.Knows(name) {
						events <- name
					}
				}
			},
			func(err error) { events <- err.Error() })
	}()
	expect := func(want string) {
		t.Helper()
		select {
		case got := <-events:
			if !strings.Contains(got, want) {
				t.Fatalf("Watch told %q, want %q", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("Watch told nothing, want %q", want)
		}
	}
	expect("v1")
	file := filepath.Join(root, "v1", "config", "a.yaml")
	write(t, file, "domain: v3")
	expect("v3")
	write(t, file, "domain: [")
	expect("it is no YAML")
	write(t, file, "domain: v4")
	expect("v4")
	if err := os.Symlink("v2", current+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(current+".new", current); err != nil {
		t.Fatal(err)
	}
	expect("v2")
	if err := os.RemoveAll(filepath.Join(root, "v2")); err != nil {
		t.Fatal(err)
	}
	expect("no such file")
	stop()
	if err := <-done; err != context.Canceled {
		t.Errorf("Watch = %v, want that the context ended", err)
	}
	if len(events) > 0 {
		t.Errorf("Watch told %q twice", <-events)
	}
}
