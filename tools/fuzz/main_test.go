package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tree writes files, by their paths, and returns where.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for path, text := range files {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const (
	sound = "package p\n\nimport \"testing\"\n\nfunc FuzzSound(f *testing.F) {\n\tf.Fuzz(func(t *testing.T, b []byte) {})\n}\n"
	wrong = "package q\n\nimport \"testing\"\n\nfunc FuzzWrong(f *testing.F) {\n\tf.Fuzz(func(t *testing.T, n int) {\n\t\tif n > 3 {\n\t\t\tt.Error(n)\n\t\t}\n\t})\n}\n"
)

// TestEachIsFound looks for fuzz tests in modules within each other.
func TestEachIsFound(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{
		"go.mod": "module m\n", "p/a_test.go": sound, "inner/go.mod": "module m/inner\n", "inner/q/b_test.go": wrong,
		"p/testdata/c_test.go": sound, ".tools/d_test.go": sound, "p/e.go": sound,
	})
	all, err := find(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all[0].name != "FuzzSound" || all[0].dir != "p" || all[1].name != "FuzzWrong" || all[1].dir != "q" || filepath.Base(all[1].module) != "inner" {
		t.Errorf("find = %v, want FuzzSound of p, and FuzzWrong of q in the inner module", all)
	}
}

// TestCrashIsAFailure runs one that fails, and one that does not.
func TestCrashIsAFailure(t *testing.T) {
	root := tree(t, map[string]string{"go.mod": "module m\n\ngo 1.26\n", "p/a_test.go": sound, "q/b_test.go": wrong})
	err := run(t.Context(), root, "", 2*time.Second, false)
	if err == nil || !strings.Contains(err.Error(), "FuzzWrong") || strings.Contains(err.Error(), "FuzzSound") {
		t.Fatalf("run: %v, want that FuzzWrong alone has failed", err)
	}
	kept, _ := filepath.Glob(filepath.Join(root, "q/testdata/fuzz/FuzzWrong/*"))
	if len(kept) != 1 || !strings.Contains(err.Error(), kept[0]) {
		t.Errorf("run: %v, want that it says where the input is kept: %v", err, kept)
	}
	if err := run(t.Context(), root, "Sound", time.Second, false); err != nil {
		t.Errorf("run of FuzzSound: %v", err)
	}
	if err := run(t.Context(), root, "Nothing", time.Second, false); err == nil {
		t.Error("run of nothing has no error")
	}
}
