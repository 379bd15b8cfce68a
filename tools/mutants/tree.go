package main

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// tree is a copy of the sources, with room for the programs that are built of it.
type tree struct {
	dir  string
	bins string
}

// copyTree copies the sources below root into a temporary directory.
func copyTree(root string) (*tree, error) {
	top, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return nil, err
	}
	t := &tree{dir: filepath.Join(top, "tree"), bins: filepath.Join(top, "bin")}
	if err := os.Mkdir(t.bins, 0o755); err != nil {
		return nil, err
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case rel != "." && (strings.HasPrefix(d.Name(), ".") || rel == "bin") && d.IsDir():
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(t.dir, rel), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(t.dir, rel), data, 0o644)
	})
	if err != nil {
		t.remove()
		return nil, err
	}
	return t, nil
}

func (t *tree) remove() { _ = os.RemoveAll(filepath.Dir(t.dir)) } // what is left is in the system's directory for such

// build compiles the tests of a suite's package and returns the program, or "" and what the compiler says.
func (t *tree) build(ctx context.Context, s suite) (binary, out string) {
	binary = filepath.Join(t.bins, strings.ReplaceAll(s.dir, "/", "-")+".test")
	// Nobody looks at a fault with a debugger, and to link without its tables takes half as long.
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-ldflags=-w -s", "-o", binary, ".")
	cmd.Dir = filepath.Join(t.dir, filepath.FromSlash(s.dir))
	cmd.Env = append(os.Environ(), "GOWORK=off")
	text, err := cmd.CombinedOutput()
	if err != nil {
		return "", err.Error() + "\n" + string(text)
	}
	return binary, ""
}

// run runs a suite and returns whether it passed and what it printed. A fault can make a test wait for ever: that it is
// ended after two minutes is a failure like another.
func (t *tree) run(ctx context.Context, s suite, binary string) (passed bool, out string) {
	args := append([]string{"-test.failfast", "-test.timeout=2m", "-test.run=" + s.run}, strings.Fields(s.flags)...)
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = filepath.Join(t.dir, filepath.FromSlash(s.dir))
	cmd.WaitDelay = 5 * time.Second
	text, err := cmd.CombinedOutput()
	return err == nil, string(text)
}
