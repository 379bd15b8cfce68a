package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	ratelimitModule  = "github.com/envoyproxy/ratelimit"
	ratelimitVersion = "v1.4.1-0.20260122083618-3fb702589d36" // it has no tags; docs/decisions/0020 says how to raise it
	ratelimitName    = ratelimitModule + " " + ratelimitVersion
)

// programs are the servers that are compared, built. They are kept in the user's cache: building the rival for the first
// time takes a minute or two, and loads its source through Go's module proxy.
type programs struct {
	sluice, ratelimit, h2loadPath string
}

// build builds what is not there yet, and ours always.
func (p *programs) build(ctx context.Context, progress io.Writer) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	cache = filepath.Join(cache, "sluice-bench")
	rival := filepath.Join(cache, "ratelimit-"+ratelimitVersion)
	if err := os.MkdirAll(rival, 0o755); err != nil {
		return err
	}
	p.sluice, p.ratelimit = filepath.Join(cache, "sluice"), filepath.Join(rival, "service_cmd")

	fmt.Fprintln(progress, "building sluice serve")
	root, err := sluiceRoot(ctx)
	if err != nil {
		return err
	}
	if _, err := goCommand(ctx, filepath.Join(root, "server"), nil, "build", "-o", p.sluice, "./cmd/sluice"); err != nil {
		return fmt.Errorf("build sluice: %w", err)
	}
	if _, err := os.Stat(p.ratelimit); err == nil {
		return nil
	}
	fmt.Fprintln(progress, "building", ratelimitName)
	if _, err := goCommand(ctx, "", []string{"GOBIN=" + rival}, "install", ratelimitModule+"/src/service_cmd@"+ratelimitVersion); err != nil {
		return fmt.Errorf("build %s: %w", ratelimitName, err)
	}
	return nil
}

// sluiceRoot returns the directory of the source of sluice.
func sluiceRoot(ctx context.Context) (string, error) {
	root, err := goCommand(ctx, "", nil, "list", "-m", "-f", "{{.Dir}}", "github.com/sluice-project/sluice")
	if err != nil {
		return "", fmt.Errorf("find the source of sluice: %w", err)
	}
	return root, nil
}

// goCommand runs the go command outside of any workspace and returns what it says.
func goCommand(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "GOWORK=off"), env...)
	var faults strings.Builder
	cmd.Stderr = &faults
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w: %s", args[0], err, strings.TrimSpace(faults.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
