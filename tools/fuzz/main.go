// Command fuzz runs every fuzz test of every module for a while, one after the other.
//
//	go run ./fuzz [-root ..] -for 1m [-only REGEXP] [-list]
//
// It finds them in the sources, so that a new one needs no list. One that fails has kept its input below testdata/fuzz of
// its package, which go test has said; the others run all the same, and the command fails in the end.
//
// It imports the standard library only.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	root := flag.String("root", "..", "the tree whose fuzz tests to run")
	long := flag.Duration("for", time.Minute, "how long to run each")
	only := flag.String("only", "", "regular expression of those to run, as -list prints them; all by default")
	list := flag.Bool("list", false, "list them and run none")
	flag.Parse()
	if err := run(ctx, *root, *only, *long, *list); err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root, only string, long time.Duration, list bool) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	targets, err := find(root)
	if err != nil {
		return err
	}
	targets = slices.DeleteFunc(targets, func(t target) bool { return !wanted.MatchString(t.String()) })
	if len(targets) == 0 {
		return errors.New("there is no fuzz test to run")
	}
	var failed []error
	for _, t := range targets {
		if list {
			fmt.Println(t)
			continue
		}
		if err := t.run(ctx, long); err != nil {
			failed = append(failed, err)
		}
		if ctx.Err() != nil {
			return errors.Join(append(failed, ctx.Err())...)
		}
	}
	return errors.Join(failed...)
}

// target is one fuzz test.
type target struct {
	module string // the directory of its module
	dir    string // of its package, below the module
	name   string
}

func (t target) String() string { return filepath.Join(filepath.Base(t.module), t.dir) + "." + t.name }

// declared is how a fuzz test begins.
var declared = regexp.MustCompile(`(?m)^func (Fuzz\w*)\(\w+ \*testing\.F\) \{$`)

// find returns the fuzz tests of all modules of a tree, module by module.
func find(root string) (all []target, err error) {
	root, err = filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	modules := []string{} // those around the place of the walk, the outermost first
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin") {
				return fs.SkipDir
			}
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
				modules = append(modules, path)
			}
			return nil
		}
		if !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		dir := filepath.Dir(path)
		for _, found := range declared.FindAllSubmatch(source, -1) {
			module := innermost(modules, dir)
			if module == "" {
				return fmt.Errorf("%s is in no module", path)
			}
			below, err := filepath.Rel(module, dir)
			if err != nil {
				return err
			}
			all = append(all, target{module, below, string(found[1])})
		}
		return nil
	})
	slices.SortStableFunc(all, func(a, b target) int { return strings.Compare(a.module, b.module) })
	return all, err
}

// innermost returns the module that a directory is in, "" where it is in none.
func innermost(modules []string, dir string) (module string) {
	for _, m := range modules {
		if (dir == m || strings.HasPrefix(dir, m+string(filepath.Separator))) && len(m) > len(module) {
			module = m
		}
	}
	return module
}

// run runs one, and prints a line of it; of one that fails all that it said.
func (t target) run(ctx context.Context, long time.Duration) error {
	begun := time.Now()
	cmd := exec.CommandContext(
		ctx, "go", "test", "-run", "^$", "-fuzz", "^"+t.name+"$", "-fuzztime", long.String(), "-fuzzminimizetime", "5s", "-parallel", "2",
		"./"+filepath.ToSlash(t.dir),
	)
	cmd.Dir = t.module
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it ends its workers
	cmd.WaitDelay = 10 * time.Second
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	if err != nil && ctx.Err() == nil && strings.Contains(said.String(), "context deadline exceeded") && !writing.MatchString(said.String()) {
		err = nil // the time was over while an input was tried, which is no failure: https://go.dev/issue/75804
	}
	seconds := time.Since(begun).Seconds()
	if err == nil {
		fmt.Printf("ok   %6.1fs  %s  %s\n", seconds, t, executions(said.String()))
		return nil
	}
	fmt.Printf("FAIL %6.1fs  %s\n%s", seconds, t, said.String())
	return fmt.Errorf("%s: %w%s", t, err, kept(t, said.String()))
}

var (
	count   = regexp.MustCompile(`execs: (\d+)`)
	writing = regexp.MustCompile(`Failing input written to (\S+)`)
)

// executions says how many inputs were tried.
func executions(said string) string {
	counts := count.FindAllStringSubmatch(said, -1)
	if len(counts) == 0 {
		return ""
	}
	return counts[len(counts)-1][1] + " inputs"
}

// kept says where the input is that has failed.
func kept(t target, said string) string {
	file := writing.FindStringSubmatch(said)
	if file == nil {
		return ""
	}
	return "; the input is kept in " + filepath.Join(t.module, t.dir, filepath.FromSlash(file[1])) + ": mend the code and commit it"
}
