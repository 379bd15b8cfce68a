// Command matrix runs the store's tests on every server that Sluice says it works on: several versions of Redis and of
// Valkey, each the build that a distribution ships.
//
//	go run ./matrix [-root ..] [-only REGEXP] [-cache DIR] [-run REGEXP]
//
// It installs nothing: a server is unpacked with its libraries into a cache directory and run from there, and the
// system's package sources are read, never changed. It runs on Debian only, because the servers come from the mirror
// that the system's own sources name. It fails where a server cannot be had or a test fails on it.
//
// It imports the standard library and what unpacks packages.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
)

// tested are the packages whose tests talk to a server that they start themselves.
var tested = []string{"./internal/redistest", "./store/redisstore/..."}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	root := flag.String("root", "..", "the tree to test")
	cache := flag.String("cache", "../.tools/servers", "where servers are unpacked and kept")
	only := flag.String("only", "", "regular expression of the servers to run; all by default")
	run := flag.String("run", "", "regular expression of the tests to run; all by default")
	flag.Parse()
	if err := matrix(ctx, *root, *cache, *only, *run); err != nil {
		fmt.Fprintln(os.Stderr, "matrix:", err)
		os.Exit(1)
	}
}

func matrix(ctx context.Context, root, cache, only, run string) error {
	chosen, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	cache, err = filepath.Abs(cache)
	if err != nil {
		return err
	}
	var report []string
	var faults []error
	for _, s := range servers {
		if !chosen.MatchString(s.name) || ctx.Err() != nil {
			continue
		}
		result, err := s.test(ctx, root, cache, run)
		if err != nil {
			result = err.Error()
			faults = append(faults, fmt.Errorf("%s: %w", s.name, err))
		}
		report = append(report, fmt.Sprintf("%-12s %s", s.name, result))
	}
	if len(report) == 0 {
		return fmt.Errorf("no server is called %q", only)
	}
	fmt.Println("\n" + strings.Join(report, "\n"))
	return errors.Join(append(faults, ctx.Err())...)
}

// test runs the tests on one server and says which version it was.
func (s server) test(ctx context.Context, root, cache, run string) (string, error) {
	binary, err := s.fetch(ctx, filepath.Join(cache, s.name))
	if err != nil {
		return "", err
	}
	version, err := exec.CommandContext(ctx, binary, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", binary, err)
	}
	text := strings.TrimSpace(string(version))
	fmt.Printf("\n--- %s: %s\n", s.name, text)
	if !strings.Contains(text, s.version) {
		return "", fmt.Errorf("it is %q, want a version %s", text, s.version)
	}

	args := []string{"test", "-count=1", "-run", run}
	if s.without != "" {
		args = append(args, "-skip", s.without)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, tested...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "SLUICE_REDIS_SERVER="+binary)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("tests fail on %s", text)
	}
	if s.without != "" {
		text += "; this build has no TLS, tests by that name did not run"
	}
	return "passed on " + text, nil
}
