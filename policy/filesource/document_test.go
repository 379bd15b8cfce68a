package filesource

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnreadableDocuments(t *testing.T) {
	t.Parallel()
	const (
		empty   = "f: it is empty; write fields such as policies, or start without a configuration file"
		tooDeep = "it is nested more than 16 deep; no field is"
		tooMany = "there are more than 10000 entries side by side; split them between several servers or policies"
		long    = 1 << 16
		column  = "begin what belongs together in the same column"
	)
	for _, test := range []struct{ file, want string }{
		{"", empty},
		{"\ufeff", empty},
		{" \n\n# nothing\n", empty},
		{"---\n", empty},
		{"- a\n", "f:1:1: it is a list; it must be a mapping of names to values"},
		{"a b\n", "f:1:1: it is text; it must be a mapping of names to values"},
		{"42", "f:1:1: it is a number; it must be a mapping of names to values"},

		{"store: é\xff\n", "f:1:9: the byte 0xff is not UTF-8; save the file as UTF-8"},
		{"\n\r\n\r  \xc3", "f:4:3: the byte 0xc3 is not UTF-8; save the file as UTF-8"},
		{"\xff\xfes\x00t\x00", "f:1:1: it is UTF-16; save it as UTF-8"},
		{"\xfe\xff\x00s\x00t", "f:1:1: it is UTF-16; save it as UTF-8"},
		{"store: \ufffd\n", `f:1:8: store: it must be "memory" or a URL that begins with redis://, rediss:// or unix://, as in redis://user:password@host:6379/0`},
		{"store: a\x00b\n", "f:1:9: there is a control character, U+0000; take it out"},
		{"a: 1\nstore: \x1b[0m\n", "f:2:8: there is a control character, U+001B; take it out"},

		{"policies:\n\tapi: {}\n", "f:2:1: it is not YAML: there is a tab; indent by spaces"},
		{"policies:\n  api: {}\n key: x\n", "f:3:2: it is not YAML: value is not allowed in this context; " + column},
		{"store: a: b\n", `f:1:8: it is not YAML: mapping value is not allowed in this context; put text that holds ": " in quotes, and begin the fields of one mapping in the same column`},
		{"trusted_proxies: [a\n", "f:1:18: it is not YAML: sequence end token ']' not found; close what is opened here"},
		{"listen: {a: b\n", "f:1:9: it is not YAML: could not find flow mapping end token '}'; close what is opened here"},
		{"store: \"a\n", "f:1:8: it is not YAML: could not find end character of double-quoted text; close what is opened here"},
		{"store: @a\n", "f:1:8: it is not YAML: '@' is a reserved character; put the text in quotes"},
		{"store: memory\nfoo\n", `f:2:1: it is not YAML: non-map value is specified; write "name: value", and begin the fields of one mapping in the same column`},

		{strings.Repeat("#", maxBytes) + "\n", "f: it has more than 1048576 bytes, which is the most that a configuration file can have"},
		{strings.Repeat("[", long), "f:1:17: " + tooDeep},
		{strings.Repeat("{a: ", long/4), "f:1:65: " + tooDeep},
		{strings.Repeat("- ", long/2), "f:1:33: " + tooDeep},
		{strings.Repeat("? ", long/2), "f:1:33: " + tooDeep},
		{strings.Repeat("]", 1000) + strings.Repeat("[", 1000), "f:1:1017: " + tooDeep},
		{strings.Repeat("- {a: [", long/7), "f:1:56: " + tooDeep},
		{strings.Repeat("a: 1\n", long/5), "f:10001:1: " + tooMany},
		{"a:\n" + strings.Repeat("  'b': 1\n  c:\n   d: 1\n", 5001), "f:15002:3: " + tooMany},
		{strings.Repeat("- a\n", long/4), "f:10001:1: " + tooMany},
	} {
		if got := faultsOf(t, test.file).Error(); got != test.want {
			t.Errorf("Parse(%.60q) faults:\n%.300s\nwant\n%s", test.file, got, test.want)
		}
	}
}

// TestManyPolicies reads as many policies as a file can have.
func TestManyPolicies(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("policies:\n")
	for i := range maxEntries {
		name := "p" + strings.Repeat("x", i%50) + string(rune('a'+i/50%26)) + string(rune('a'+i/50/26))
		text.WriteString("  " + name + ":\n    limits: {second: 10/s}\n    key: ip\n")
	}
	if f := parse(t, text.String()); len(f.Policies) != maxEntries {
		t.Errorf("Parse has %d policies, want %d", len(f.Policies), maxEntries)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good.yaml", complete)
	link := filepath.Join(dir, "link.yaml")
	if err := os.Symlink("good.yaml", link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{good, link} {
		if f, err := Load(path); err != nil || len(f.Policies) != 2 {
			t.Errorf("Load(%s) = %+v, %v, want the two policies of the file", path, f, err)
		}
	}
	bad := write("bad.yaml", "store: x\n")
	var faults Faults
	if _, err := Load(bad); !errors.As(err, &faults) || faults[0].File != bad || faults[0].Line != 1 {
		t.Errorf("Load of a file with a fault: %v, want it with the path", err)
	}
	long := write("long.yaml", strings.Repeat("#\n", maxBytes))
	if _, err := Load(long); !errors.As(err, &faults) || !strings.Contains(err.Error(), "more than 1048576 bytes") {
		t.Errorf("Load of a file of 2 MiB: %v, want Faults that say so", err)
	}
	for _, path := range []string{dir, os.DevNull} {
		if _, err := Load(path); err == nil || err.Error() != path+": it must be a regular file" {
			t.Errorf("Load(%s) error = %v, want that it must be a regular file", path, err)
		}
	}
	if _, err := Load(filepath.Join(dir, "none.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load of no file: %v, want fs.ErrNotExist", err)
	}
}
