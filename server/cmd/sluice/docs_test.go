package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// commandRow is a row of the table of docs/command-line.md: a command, perhaps with arguments, which are in capitals or
// flags.
var commandRow = regexp.MustCompile("(?m)^\\| `sluice ([a-z ]*[a-z])[^`]*` \\| .* \\|$")

// TestPageListsEveryCommand compares the table of docs/command-line.md with the commands that there are.
func TestPageListsEveryCommand(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/command-line.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed, there []string
	for _, row := range commandRow.FindAllStringSubmatch(string(page), -1) {
		listed = append(listed, row[1])
	}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if !c.HasSubCommands() {
			there = append(there, strings.TrimPrefix(c.CommandPath(), "sluice "))
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot())
	slices.Sort(listed)
	slices.Sort(there)
	if diff := cmp.Diff(there, listed); diff != "" {
		t.Errorf("docs/command-line.md lists other commands than there are (-there +listed):\n%s", diff)
	}
}

// Every command says what it does, and all that does something gives an example.
func TestEveryCommandHasHelp(t *testing.T) {
	t.Parallel()
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" || !c.HasSubCommands() && c.Name() != "version" && (c.Long == "" || c.Example == "") {
			t.Errorf("%s has no help, or no example", c.CommandPath())
		}
		for line := range strings.Lines(c.Long + "\n" + c.Example) {
			if len(strings.TrimSpace(line)) > 0 && len(line) > 101 {
				t.Errorf("the help of %s has the line %q, want at most 100 characters", c.CommandPath(), line)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot())
}
