package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPublish(t *testing.T) {
	docs := t.TempDir()
	if err := os.Mkdir(filepath.Join(docs, "images"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(docs, "benchmarks.md")
	page := "# Benchmarks\n\nbefore\n\n" + figuresBegin + "\nold figures\n\n" + figuresEnd + "\nafter\n"
	if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	r := report{head: "A run.", about: []string{"Machine: one."}, tables: []table{sample()}}
	var texts []string
	for range 2 { // the second finds what the first has written
		if err := r.publish(docs); err != nil {
			t.Fatal(err)
		}
		written, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(written))
	}
	want := "# Benchmarks\n\nbefore\n\n" + figuresBegin + "\n" + string(r.markdown()) + "\n" + figuresEnd + "\nafter\n"
	if texts[0] != want || texts[1] != want {
		t.Errorf("the page is %q, then %q, want twice %q", texts[0], texts[1], want)
	}
	if chart, err := os.ReadFile(filepath.Join(docs, "images", "benchmarks.svg")); err != nil || !strings.Contains(string(chart), "</svg>") {
		t.Errorf("the chart is %q, %v, want an SVG", chart, err)
	}
}

func TestPageHasAPlaceForFigures(t *testing.T) {
	page, err := os.ReadFile("../docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := insert(page, nil); err != nil {
		t.Errorf("docs/benchmarks.md: %v", err)
	}
	for _, bad := range []string{"", figuresBegin, figuresEnd, figuresEnd + figuresBegin} {
		if got, err := insert([]byte(bad), nil); err == nil {
			t.Errorf("insert into %q = %q, want an error: there is no place for figures", bad, got)
		}
	}
}
