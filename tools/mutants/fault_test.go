package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNames finds two faults of one name and those that change nothing. Which are stale is not for a test to say: the
// go command does not see that files of other modules have changed, and would repeat an old answer.
func TestNames(t *testing.T) {
	faults, err := choose("")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, f := range faults {
		if seen[f.String()] {
			t.Errorf("%s: there are two faults of this name", f)
		}
		seen[f.String()] = true
		if f.old == f.new {
			t.Errorf("%s: it changes nothing", f)
		}
	}
}

// TestShare: whatever the number of shares, every fault is in one of them, and none is much larger than another.
func TestShare(t *testing.T) {
	faults, err := choose("")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 2, 4, 6} {
		times, in := make(map[string]int), make(map[suite]int)
		for i := range n {
			part, err := share(faults, fmt.Sprintf("%d/%d", i, n))
			if err != nil {
				t.Fatal(err)
			}
			if even := len(faults) / n; len(part) < even*3/4 || len(part) > even*5/4 {
				t.Errorf("share %d/%d has %d faults of %d", i, n, len(part), len(faults))
			}
			for _, f := range part {
				if other, known := in[f.by]; known && other != i {
					t.Errorf("%s has faults in shares %d and %d of %d, want them in one", f.by, other, i, n)
				}
				in[f.by] = i
			}
			for _, f := range part {
				times[f.String()]++
			}
		}
		for _, f := range faults {
			if times[f.String()] != 1 {
				t.Errorf("%s is in %d of %d shares, want it in one", f, times[f.String()], n)
			}
		}
	}
	for _, wrong := range []string{"1", "/", "4/4", "-1/4", "0/0", "a/4", "1/b", "0/4/2"} {
		if part, err := share(faults, wrong); err == nil {
			t.Errorf("share %q has %d faults, want an error", wrong, len(part))
		}
	}
	if part, err := share(faults, ""); err != nil || len(part) != len(faults) {
		t.Errorf("no share: %d faults, %v, want all %d", len(part), err, len(faults))
	}
}

// TestNotices tries the runner itself on a tree of one package: a fault that its test sees, one that it does not see,
// one that does not compile and one that is stale.
func TestNotices(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":       "module example.com/m\n\ngo 1.26\n",
		"m.go":         "package m\n\nfunc double(n int) int { return n + n }\n\nfunc unseen() int { return 1 }\n",
		"m_test.go":    "package m\n\nimport \"testing\"\n\nfunc TestDouble(t *testing.T) {\n\tif double(3) != 6 {\n\t\tt.Error(\"wrong\")\n\t}\n}\n",
		".git/ignored": "",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	copied, err := copyTree(root)
	if err != nil {
		t.Fatal(err)
	}
	defer copied.remove()
	if _, err := os.Stat(filepath.Join(copied.dir, ".git")); err == nil {
		t.Error("the copy holds .git")
	}

	all := suite{dir: "."}
	for _, c := range []struct {
		old, new string
		want     string // how the answer begins
	}{
		{"n + n", "n * n", ""},
		{"return 1", "return 2", "survived"},
		{"n + n", "n + m", "does not build"},
		{"n - n", "n + n", "stale"},
		{"return", "return 0 +", "stale"}, // stands there twice
	} {
		got := copied.notices(t.Context(), fault{file: "m.go", old: c.old, new: c.new, by: all})
		if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("notices(%q for %q) = %q, want %q", c.new, c.old, got, c.want)
		}
		if got := copied.holds(t.Context(), all); got != "" {
			t.Errorf("holds after %q for %q = %q, want the fault taken back", c.new, c.old, got)
		}
	}
	if got := copied.holds(t.Context(), suite{dir: ".", run: "NoSuchTest"}); !strings.HasPrefix(got, "stale") {
		t.Errorf("holds of a suite without tests = %q, want that it is stale", got)
	}
}
