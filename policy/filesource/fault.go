package filesource

import (
	"fmt"
	"strings"
)

// Fault is one thing that is wrong with a file, and where.
type Fault struct {
	// File is the name that [Parse] was given, or the path that [Load] was.
	File string
	// Line and Column count from 1, the column in characters. Both are 0 where the fault has no place in the file.
	Line, Column int
	// Path leads to the field at fault, such as "policies.api.limits.day" or "trusted_proxies[1]". It is empty where
	// no single field is.
	Path string
	// Problem says what is wrong and what would be right. It holds no password and no token.
	Problem string
}

// Error returns the fault as one line, such as `sluice.yaml:12:5: policies.api.limits.day: ...`.
func (f *Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", f.Line, f.Column)
	}
	if f.Path != "" {
		b.WriteString(": " + f.Path)
	}
	return b.String() + ": " + f.Problem
}

// Faults is everything that is wrong with a file, in the order of their places.
type Faults []*Fault

// Error returns the faults, one a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.Error()
	}
	return strings.Join(lines, "\n")
}
