//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/sluice-project/sluice/server/e2e/chaos/check"
)

// command is what is built: the server, as its users build it.
const command = "github.com/sluice-project/sluice/server/cmd/sluice"

// breakage is a fault of the product, put in on purpose, that the checker must see.
type breakage struct {
	name     string
	rule     string // by which it must see it, whatever else it sees
	file     string // by its path from the root of the tree, with slashes
	old, new string // old stands there once
}

var breakages = []breakage{
	{
		name: "charge-on-refusal",
		rule: check.Refusal,
		file: "store/redisstore/scripts/check.lua",
		old:  "local charge = allowed and cost > 0 and not peek",
		new:  "local charge = cost > 0 and not peek",
	},
	{
		name: "forget-an-expiry",
		rule: check.Expiry,
		file: "store/redisstore/scripts/quick.lua",
		old:  "call('SET', names[k], written, 'PXAT', expiry(life), 'GET')",
		new:  "call('SET', names[k], written, 'GET')",
	},
	{
		name: "run-a-tick-twice",
		rule: check.Ticks,
		file: "control/tick.go",
		old:  "v.expectSchedule(s.Name), v.expectTick(s.Name))",
		new:  "v.expectSchedule(s.Name))",
	},
	{
		name: "take-the-whole-share",
		rule: check.Shares,
		file: "server/fleet.go",
		old:  "return p.index, p.count",
		new:  "return 0, min(p.count, 1)",
	},
	{
		name: "keep-an-old-certificate",
		rule: check.Rotated,
		file: "server/tls.go",
		old:  "c.current.Store(config)\n\treturn nil",
		new:  "c.current.CompareAndSwap(nil, config)\n\treturn nil",
	},
	{
		name: "keep-an-old-token",
		rule: check.Rotated,
		file: "server/access/book.go",
		old:  "b.tokens.Store(tokens)\n\t\t\ttook(",
		new:  "tokens.all = append(tokens.all, b.tokens.Load().all...)\n\t\t\tb.tokens.Store(tokens)\n\t\t\ttook(",
	},
}

func faultNames() (names []string) {
	for _, b := range breakages {
		names = append(names, b.name)
	}
	return names
}

// ruleOf returns the rule that must see a fault; "" where there is no such fault.
func ruleOf(breakBy string) string {
	for _, b := range breakages {
		if b.name == breakBy {
			return b.rule
		}
	}
	return ""
}

// build compiles the server, with a fault in it where one is named, and with a clock that can be moved where that is wanted.
func build(binary, breakBy string, clock bool) error {
	args := []string{"build", "-o", binary}
	dir := binary + ".overlay"
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	o := overlay{}
	if breakBy != "" {
		if err := o.breakBy(breakBy, dir); err != nil {
			return err
		}
	}
	if clock {
		if err := o.moveClock(dir); err != nil {
			return err
		}
	}
	if len(o) > 0 {
		file, err := o.write(dir)
		if err != nil {
			return err
		}
		args = append(args, "-overlay", file)
	}
	cmd := exec.Command("go", append(args, command)...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, text)
	}
	return nil
}

// overlay is which files the compiler reads in the place of others, by their paths. What has none there is added. The tree
// stays as it is, and so does the standard library.
type overlay map[string]string

// put has a text read in the place of a file.
func (o overlay) put(path, text, dir string) error {
	instead := filepath.Join(dir, fmt.Sprintf("%d%s", len(o), filepath.Ext(path)))
	o[path] = instead
	return os.WriteFile(instead, []byte(text), 0o600)
}

// replace has a file read with another text in the place of one that must stand there once.
func (o overlay) replace(path, old, instead, dir string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if n := strings.Count(string(text), old); n != 1 {
		return fmt.Errorf("the text to replace stands in %s %d times, want once", path, n)
	}
	return o.put(path, strings.Replace(string(text), old, instead, 1), dir)
}

// write writes it as the compiler reads it.
func (o overlay) write(dir string) (file string, err error) {
	list, err := json.Marshal(map[string]any{"Replace": o})
	if err != nil {
		return "", err
	}
	file = filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, list, 0o600)
}

// breakBy adds a fault by its name.
func (o overlay) breakBy(name, dir string) error {
	for _, b := range breakages {
		if b.name != name {
			continue
		}
		root, err := tree()
		if err != nil {
			return err
		}
		if err := o.replace(filepath.Join(root, filepath.FromSlash(b.file)), b.old, b.new, dir); err != nil {
			return fmt.Errorf("-break %s is stale: %w", name, err)
		}
		return nil
	}
	return fmt.Errorf("-break: there is no %q: it is one of %s", name, strings.Join(faultNames(), ", "))
}

// tree returns the root of the tree.
func tree() (string, error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/sluice-project/sluice").Output()
	if err != nil {
		return "", fmt.Errorf("find the tree: %w", err)
	}
	return strings.TrimSpace(string(root)), nil
}
