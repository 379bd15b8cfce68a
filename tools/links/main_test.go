package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	root := t.TempDir()
	pages := map[string]string{
		"README.md": "# Title\n[a](docs/a.md) [b](docs/a.md#two-words-1) [c](https://example.com/x.md) [d](#title)\n" +
			"```\n[no](nowhere.md)\n```\n![e](e.svg)\n",
		"docs/a.md": "## Two *words*, 1\n[up](../README.md) [gone](gone.md) [gone](../README.md#gone)\n```\n# gone\n```\n",
		"e.svg":     "",
	}
	for name, text := range pages {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	err := check(root)
	if err == nil {
		t.Fatal("check found nothing, want two broken links")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "(gone.md) leads to no file") ||
		!strings.Contains(lines[1], "(../README.md#gone) leads to no heading") {
		t.Errorf("check = %q, want the links to gone.md and #gone", lines)
	}
}
