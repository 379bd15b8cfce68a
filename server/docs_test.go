package server_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-project/sluice/server"
)

// settingRow is a row of the table of flags and environment variables: the setting, its flag and its variable.
var settingRow = regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| `--([a-z-]+)`[^|]*\\| `(SLUICE_[A-Z_]+)`[^|]*\\|$")

// TestConfigurationListsEverySetting compares that table of docs/configuration.md with what the server reads.
func TestConfigurationListsEverySetting(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed, read []string
	for _, row := range settingRow.FindAllStringSubmatch(string(page), -1) {
		listed = append(listed, strings.Join(row[1:], " "))
	}
	for _, s := range server.Settings() {
		read = append(read, strings.Join([]string{s.Path, s.Flag, s.Env}, " "))
	}
	if diff := cmp.Diff(read, listed); diff != "" {
		t.Errorf("docs/configuration.md lists other settings than the server reads (-read +listed):\n%s", diff)
	}
}
