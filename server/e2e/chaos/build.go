//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// command is what is built: the server, as its users build it.
const command = "github.com/sluice-project/sluice/server/cmd/sluice"

// breakage is a fault of the product, put in on purpose, that the checker must see.
type breakage struct {
	name     string
	file     string // by its path from the root of the tree, with slashes
	old, new string // old stands there once
}

var breakages = []breakage{
	{
		name: "charge-on-refusal",
		file: "store/redisstore/scripts/check.lua",
		old:  "local charge = allowed and cost > 0 and not peek",
		new:  "local charge = cost > 0 and not peek",
	},
	{
		name: "forget-an-expiry",
		file: "store/redisstore/scripts/quick.lua",
		old:  "call('SET', names[k], written, 'PXAT', expiry(life), 'GET')",
		new:  "call('SET', names[k], written, 'GET')",
	},
	{
		name: "run-a-tick-twice",
		file: "control/tick.go",
		old:  "v.expectSchedule(s.Name), v.expectTick(s.Name))",
		new:  "v.expectSchedule(s.Name))",
	},
}

func faultNames() (names []string) {
	for _, b := range breakages {
		names = append(names, b.name)
	}
	return names
}

// build compiles the server, with a fault in it where one is named: the compiler reads another file in the place of the
// one that has it, and the tree stays as it is.
func build(binary, breakBy string) error {
	args := []string{"build", "-o", binary}
	if breakBy != "" {
		overlay, err := overlayOf(breakBy, filepath.Dir(binary))
		if err != nil {
			return err
		}
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.Command("go", append(args, command)...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, text)
	}
	return nil
}

func overlayOf(name, dir string) (string, error) {
	for _, b := range breakages {
		if b.name != name {
			continue
		}
		root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/sluice-project/sluice").Output()
		if err != nil {
			return "", fmt.Errorf("find the tree: %w", err)
		}
		path := filepath.Join(strings.TrimSpace(string(root)), filepath.FromSlash(b.file))
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		if n := strings.Count(string(text), b.old); n != 1 {
			return "", fmt.Errorf("-break %s is stale: the text to replace stands in %s %d times, want once", name, b.file, n)
		}
		broken := filepath.Join(dir, "broken"+filepath.Ext(path))
		if err := os.WriteFile(broken, []byte(strings.Replace(string(text), b.old, b.new, 1)), 0o600); err != nil {
			return "", err
		}
		list, err := json.Marshal(map[string]any{"Replace": map[string]string{path: broken}})
		if err != nil {
			return "", err
		}
		overlay := filepath.Join(dir, "overlay.json")
		return overlay, os.WriteFile(overlay, list, 0o600)
	}
	return "", fmt.Errorf("-break: there is no %q: it is one of %s", name, strings.Join(faultNames(), ", "))
}
