//go:build e2e

package doors

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-project/sluice/internal/processtest"
)

// programs is where make e2e puts what the tests run.
const programs = "../../../.tools/programs/bin"

// program returns a command that runs one of them, by its name in tools/programs/table.go.
func program(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := find(programs, name)
	if err != nil {
		t.Fatal(err)
	}
	return exec.Command(path, args...)
}

func find(dir, name string) (string, error) {
	path, err := filepath.Abs(filepath.Join(dir, name))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return "", fmt.Errorf("%w: \"make e2e\" brings %s and runs this test", err, name)
	}
	return path, nil
}

// TestMissingProgram looks at what a test says whose program is not there.
func TestMissingProgram(t *testing.T) {
	t.Parallel()
	_, err := find(programs, "no-such-program")
	if err == nil || !strings.Contains(err.Error(), `"make e2e" brings no-such-program`) {
		t.Errorf("a program that is not there is answered %v, want what brings it", err)
	}
}

// server is a sluice that serves.
type server struct {
	*processtest.Process
	addr string // of listen.http
}

// serve starts a server by the text of a configuration and waits until it listens. Where the text gives no addresses, it
// serves HTTP at one of its own choice.
func serve(t testing.TB, config string) *server {
	t.Helper()
	if !strings.Contains(config, "listen:") {
		config = "listen: {http: 127.0.0.1:0}\n" + config
	}
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(sluice, "serve", "--config", file)
	cmd.Env = []string{} // which would beat the file
	s := &server{Process: processtest.Start(t, cmd)}
	s.addr, _, _ = strings.Cut(s.WaitLog(t, "setting=listen.http address="), " ")
	return s
}

// examples is where the shipped configurations are.
const examples = "../../../examples"

// example returns the path of a copy of a folder of examples/, in which texts are replaced: the addresses of the shipped
// configuration by those of the test. Each of them must stand somewhere in it.
func example(t testing.TB, folder string, replace map[string]string) string {
	t.Helper()
	from, to := filepath.Join(examples, folder), t.TempDir()
	found := make(map[string]bool)
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		pairs := make([]string, 0, 2*len(replace))
		for old, replacement := range replace {
			pairs = append(pairs, old, replacement)
			if filepath.Ext(path) != ".md" && strings.Contains(string(data), old) {
				found[old] = true
			}
		}
		return os.WriteFile(filepath.Join(to, rel), []byte(strings.NewReplacer(pairs...).Replace(string(data))), 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	for old := range replace {
		if !found[old] {
			t.Fatalf("no configuration in %s has %q, which the test would replace", from, old)
		}
	}
	return to
}
