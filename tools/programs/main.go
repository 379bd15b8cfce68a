// Command programs brings the programs that make e2e tries Sluice with: proxies, and clients in other languages.
//
//	go run ./programs [-into ../.tools/programs] [-only REGEXP]
//
// It installs nothing on the system: each program is unpacked into a directory of its own below -into, and can be run as
// bin/NAME there. What is there already stays, so that a second run takes no time; a program whose version is another
// one here is brought anew. It runs on Debian on x86-64 only, and needs apt-get, python3 with pip, npm and go.
//
// To add a program, add a row to the table in table.go.
//
// It imports the standard library and what unpacks packages.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	into := flag.String("into", "../.tools/programs", "where programs are unpacked and kept")
	only := flag.String("only", "", "regular expression of the programs to bring; all by default")
	flag.Parse()
	if err := bring(ctx, *into, *only); err != nil {
		fmt.Fprintln(os.Stderr, "programs:", err)
		os.Exit(1)
	}
}

func bring(ctx context.Context, into, only string) error {
	chosen, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(into, "bin"), 0o755); err != nil {
		return err
	}
	if into, err = filepath.EvalSymlinks(into); err != nil { // npm looks for itself where it is
		return err
	}
	if into, err = filepath.Abs(into); err != nil {
		return err
	}
	for _, p := range table {
		if !chosen.MatchString(p.name) {
			continue
		}
		if err := p.bring(ctx, into); err != nil {
			return fmt.Errorf("%s %s: %w", p.name, p.version, err)
		}
	}
	return nil
}

// bring sees to it that into/bin/NAME runs the program.
func (p program) bring(ctx context.Context, into string) error {
	home := p.name + "-" + p.version
	if _, err := os.Stat(filepath.Join(into, home)); errors.Is(err, fs.ErrNotExist) {
		fmt.Printf("make e2e needs %s %s: unpacking it\n", p.name, p.version)
		if err := p.unpack(ctx, into, filepath.Join(into, home)); err != nil {
			return err
		}
	}
	// A new link takes the place of an old one in one step, because tests may be running.
	link := filepath.Join(into, "bin", p.name)
	fresh := fmt.Sprintf("%s.%d", link, os.Getpid())
	if err := os.Symlink(filepath.Join("..", home, p.name), fresh); err != nil {
		return err
	}
	return os.Rename(fresh, link)
}

// unpack makes the program's directory, whole or not at all.
func (p program) unpack(ctx context.Context, into, home string) error {
	partial, err := os.MkdirTemp(into, "partial-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(partial)
	if err := os.Chmod(partial, 0o755); err != nil { // servers drop what they may do, and read it all the same
		return err
	}
	if err := p.fetch(ctx, partial); err != nil {
		return err
	}
	err = os.Rename(partial, home)
	if errors.Is(err, fs.ErrExist) { // somebody else was quicker
		return nil
	}
	return err
}
