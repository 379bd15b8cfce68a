package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// fault is one way to be wrong.
type fault struct {
	// name says what is wrong, in a few words.
	name string
	// file is where, by its path from the root, with slashes.
	file string
	// old is what stands there, exactly once, and new what the fault puts in its place.
	old, new string
	// by is the suite that must fail.
	by suite
}

func (f fault) String() string { return f.file + ": " + f.name }

// suite is some tests of one package.
type suite struct {
	// dir is the package, by its path from the root.
	dir string
	// run is the regular expression of the tests; all of the package where it is empty.
	run string
	// flags are more flags for them, such as how many sequences to generate.
	flags string
}

func (s suite) String() string {
	if s.run == "" {
		return s.dir
	}
	return s.dir + " -run " + s.run
}

// find returns where the file of the fault is and what it holds; an error where the fault is stale.
func (f fault) find(root string) (path, text string, err error) {
	path = filepath.Join(root, filepath.FromSlash(f.file))
	data, err := os.ReadFile(path)
	if err != nil {
		return "", "", fmt.Errorf("stale: %w", err)
	}
	text = string(data)
	if n := strings.Count(text, f.old); n != 1 {
		return "", "", fmt.Errorf("stale: the text to replace stands there %d times, want once: %q", n, f.old)
	}
	return path, text, nil
}

// tries is how often a suite may pass before the fault counts as one that survives. What two goroutines do to each other
// is seen in most runs of a test, not in each; a fault that is not seen at once is one to write a better test for.
const tries = 4

// notices applies a fault to the copy, runs its suite and takes the fault back. It returns "" where the suite fails, as
// it should, and else what is wrong.
func (t *tree) notices(ctx context.Context, f fault) string {
	path, clean, err := f.find(t.dir)
	if err != nil {
		return err.Error()
	}
	if err := os.WriteFile(path, []byte(strings.Replace(clean, f.old, f.new, 1)), 0o644); err != nil {
		return err.Error()
	}
	defer func() {
		if err := os.WriteFile(path, []byte(clean), 0o644); err != nil {
			panic(fmt.Sprintf("the fault %s stays in the copy: %v", f, err))
		}
	}()
	binary, out := t.build(ctx, f.by)
	if binary == "" {
		return "does not build: " + out
	}
	passed, out := t.run(ctx, f.by, binary)
	for try := 2; passed && try <= tries; try++ {
		fmt.Printf("not seen at once, try %d of %d: %s\n", try, tries, f)
		passed, out = t.run(ctx, f.by, binary)
	}
	switch {
	case passed:
		return fmt.Sprintf("survived: %s passes %d times", f.by, tries)
	case !strings.Contains(out, "--- FAIL") && !strings.Contains(out, "panic:"):
		return "no test failed: " + out
	}
	return ""
}

// holds runs a suite without a fault. It returns "" where it passes, and else what is wrong.
func (t *tree) holds(ctx context.Context, s suite) string {
	binary, out := t.build(ctx, s)
	if binary == "" {
		return "does not build: " + out
	}
	passed, out := t.run(ctx, s, binary)
	switch {
	case !passed:
		return out
	case strings.Contains(out, "no tests to run"):
		return "stale: there is no such test"
	}
	return ""
}
