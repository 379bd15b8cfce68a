package packages

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Debian unpacks a package of a Debian suite together with all that it depends on into a directory called tree below dir,
// so that a build of one release runs on another.
func Debian(ctx context.Context, dir, suite, pkg string) error {
	a, err := newApt(ctx, filepath.Join(dir, "apt"), suite)
	if err != nil {
		return err
	}
	files, err := a.download(ctx, pkg)
	if err != nil {
		return err
	}
	for _, f := range files {
		if _, err := Output(ctx, "dpkg", "-x", f, filepath.Join(dir, "tree")); err != nil {
			return err
		}
	}
	return os.RemoveAll(a.dir)
}

// Wrap writes a script at dir/name that runs a program of the tree below dir by the loader and on the libraries of that
// tree, under the name argv0. It finds the tree from where it is itself, so that dir can be moved. The assignments, such
// as "PYTHONHOME=$dir/tree/usr", are for its environment.
func Wrap(dir, name, argv0, program string, assignments ...string) error {
	tree := filepath.Join(dir, "tree")
	// Beside libc, because the name under which programs know it can be an absolute link to that of the system.
	loader, err := one(tree, "usr/lib/*-linux-gnu*/ld-linux*.so.*", "lib/*-linux-gnu*/ld-linux*.so.*")
	if err != nil {
		return err
	}
	libc, err := one(tree, "usr/lib/*-linux-gnu*/libc.so.6", "lib/*-linux-gnu*/libc.so.6")
	if err != nil {
		return err
	}
	if loader, err = filepath.Rel(dir, loader); err != nil {
		return err
	}
	multiarch := filepath.Base(filepath.Dir(libc))
	exported := ""
	for _, a := range assignments {
		exported += fmt.Sprintf("export \"%s\"\n", a)
	}
	script := fmt.Sprintf("#!/bin/sh\ndir=$(dirname \"$(readlink -f \"$0\")\")\n%sexec \"$dir/%s\" "+
		"--library-path \"$dir/tree/usr/lib/%s:$dir/tree/lib/%s\" --argv0 %s \"$dir/tree/%s\" \"$@\"\n",
		exported, loader, multiarch, multiarch, argv0, program)
	return os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755)
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
	return Output(ctx, "apt-get", append(settings, args...)...)
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
	release, err := Output(ctx, "sh", "-c", `. /etc/os-release && echo "$ID $VERSION_CODENAME"`)
	if err != nil {
		return "", err
	}
	codename, ok := strings.CutPrefix(strings.TrimSpace(release), "debian ")
	if !ok {
		return "", fmt.Errorf("this system is %q; the programs come from a Debian mirror, which only Debian's own sources name", strings.TrimSpace(release))
	}
	targets, err := Output(ctx, "apt-get", "indextargets", "--no-release-info", "--format", "$(RELEASE) $(SITE)", "Created-By: Packages")
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
