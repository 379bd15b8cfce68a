package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// fromDebian unpacks a package of a Debian suite together with all that it depends on, libc included, so that a build
// of a newer release runs on an older one. The packages named here hold the server itself under the name of its
// checking tool: it looks at the name by which it is called.
func fromDebian(suite, pkg, family string) func(context.Context, string) (string, error) {
	return func(ctx context.Context, dir string) (string, error) {
		a, err := newApt(ctx, filepath.Join(dir, "apt"), suite)
		if err != nil {
			return "", err
		}
		files, err := a.download(ctx, pkg)
		if err != nil {
			return "", err
		}
		tree := filepath.Join(dir, "tree")
		for _, f := range files {
			if _, err := output(ctx, "dpkg", "-x", f, tree); err != nil {
				return "", err
			}
		}
		if err := os.RemoveAll(a.dir); err != nil {
			return "", err
		}
		return wrap(dir, tree, family)
	}
}

// apt is an apt-get that has sources, lists and a cache of its own, and believes that nothing is installed.
type apt struct {
	dir   string
	suite string
}

func newApt(ctx context.Context, dir, suite string) (apt, error) {
	a := apt{dir: dir, suite: suite}
	for _, d := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return a, err
		}
	}
	mirror, err := mirror(ctx)
	if err != nil {
		return a, err
	}
	sources := fmt.Sprintf("deb %s %s main\n", mirror, suite)
	if release, ok := strings.CutSuffix(suite, "-backports"); ok {
		sources += fmt.Sprintf("deb %s %s main\n", mirror, release)
	}
	err = os.WriteFile(filepath.Join(dir, "sources.list"), []byte(sources), 0o644)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "status"), nil, 0o644)
	}
	if err == nil {
		_, err = a.get(ctx, "update")
	}
	return a, err
}

func (a apt) get(ctx context.Context, args ...string) (string, error) {
	settings := []string{"-qq", "-y"}
	for name, path := range map[string]string{
		"Dir::Etc::SourceList":       a.dir + "/sources.list",
		"Dir::Etc::SourceParts":      "/dev/null",
		"Dir::Etc::Preferences":      "/dev/null",
		"Dir::Etc::PreferencesParts": "/dev/null",
		"Dir::State::lists":          a.dir + "/lists",
		"Dir::State::status":         a.dir + "/status",
		"Dir::Cache":                 a.dir,
		"Dir::Cache::archives":       a.dir + "/archives",
		"APT::Sandbox::User":         "root",
		"Acquire::Languages":         "none",
	} {
		settings = append(settings, "-o", name+"="+path)
	}
	return output(ctx, "apt-get", append(settings, args...)...)
}

// download returns the paths of the files of a package and of what it depends on.
func (a apt) download(ctx context.Context, pkg string) ([]string, error) {
	if _, err := a.get(ctx, "install", "--download-only", "--no-install-recommends", "--target-release", a.suite, pkg); err != nil {
		return nil, err
	}
	return filepath.Glob(filepath.Join(a.dir, "archives", "*.deb"))
}

// mirror returns the address of the Debian mirror that the system's own sources name.
func mirror(ctx context.Context) (string, error) {
	release, err := output(ctx, "sh", "-c", `. /etc/os-release && echo "$ID $VERSION_CODENAME"`)
	if err != nil {
		return "", err
	}
	codename, ok := strings.CutPrefix(strings.TrimSpace(release), "debian ")
	if !ok {
		return "", fmt.Errorf("this system is %q; the servers come from a Debian mirror, which only Debian's own sources name", strings.TrimSpace(release))
	}
	targets, err := output(ctx, "apt-get", "indextargets", "--no-release-info", "--format", "$(RELEASE) $(SITE)", "Created-By: Packages")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(targets) {
		if site, ok := strings.CutPrefix(strings.TrimSpace(line), codename+" "); ok {
			return site, nil
		}
	}
	return "", fmt.Errorf("the system's package sources name no mirror of %s", codename)
}

// wrap writes a script that runs the server of an unpacked tree on the libraries of that tree.
func wrap(dir, tree, family string) (string, error) {
	loader, err := one(tree, "usr/lib*/ld-linux*.so.*", "lib*/ld-linux*.so.*")
	if err != nil {
		return "", err
	}
	libc, err := one(tree, "usr/lib/*-linux-gnu*/libc.so.6", "lib/*-linux-gnu*/libc.so.6")
	if err != nil {
		return "", err
	}
	multiarch := filepath.Base(filepath.Dir(libc))
	script := fmt.Sprintf("#!/bin/sh\nexec '%s' --library-path '%s:%s' --argv0 %s-server '%s' \"$@\"\n", loader,
		filepath.Join(tree, "usr/lib", multiarch), filepath.Join(tree, "lib", multiarch),
		family, filepath.Join(tree, "usr/bin", family+"-check-rdb"))
	path := filepath.Join(dir, "start")
	return path, os.WriteFile(path, []byte(script), 0o755)
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

// output runs a command and returns what it prints; its error holds what it complained of.
func output(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(exit.Stderr)))
	}
	return string(out), err
}
