package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// What is between these two lines of the page is the program's; what is around them is people's.
const (
	figuresBegin = "<!-- figures: written by make bench -->\n"
	figuresEnd   = "<!-- end of figures -->\n"
)

// publish writes the report into the page and the chart beside it.
func (r report) publish(docs string) error {
	path := filepath.Join(docs, "benchmarks.md")
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if page, err = insert(page, r.markdown()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := os.WriteFile(filepath.Join(docs, "images", "benchmarks.svg"), r.chart(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(path, page, 0o644)
}

// insert returns the page with the figures in place of those that it has.
func insert(page, figures []byte) ([]byte, error) {
	before, rest, begun := bytes.Cut(page, []byte(figuresBegin))
	_, after, ended := bytes.Cut(rest, []byte(figuresEnd))
	if !begun || !ended {
		return nil, fmt.Errorf("it must have the lines %q and %q, between which the figures go", figuresBegin, figuresEnd)
	}
	return bytes.Join([][]byte{before, []byte(figuresBegin), []byte("\n"), figures, []byte("\n"), []byte(figuresEnd), after}, nil), nil
}
