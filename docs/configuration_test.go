// Package docs_test holds the pages for users against the code.
package docs_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/sluice-project/sluice/policy/filesource"
)

// fieldRow is a row of the table of fields: the field, what it is, its default.
var fieldRow = regexp.MustCompile("(?m)^\\| `([a-zA-Z_.]+)` \\| ([^|]*) \\| ([^|]*?) ?\\| [^|]* \\| [^|]*\\|$")

// TestConfigurationListsEveryField compares the table of configuration.md with the fields that can be read.
func TestConfigurationListsEveryField(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	defaults := make(map[string]string)
	for _, row := range fieldRow.FindAllStringSubmatch(string(page), -1) {
		listed = append(listed, row[1])
		defaults[row[1]] = row[3]
	}
	var fields []string
	for _, f := range filesource.Fields() {
		fields = append(fields, f.Path)
		want := "`" + f.Default + "`"
		if got := defaults[f.Path]; got != want && (f.Default != "" || !slices.Contains([]string{"", "none", "required"}, got)) {
			t.Errorf("the default of %s is %q in configuration.md, want %s", f.Path, got, want)
		}
	}
	if !slices.Equal(listed, fields) {
		t.Errorf("configuration.md lists the fields\n%q, want\n%q", listed, fields)
	}
}
