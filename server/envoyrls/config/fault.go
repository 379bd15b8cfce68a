package config

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/sluice-project/sluice/policy/filesource"
)

// maxFaults is how many faults are told apart: more than anybody reads, and fewer than fill a log.
const maxFaults = 1000

// place is where something stands in a file.
type place struct {
	file         string
	line, column int
}

// faults collects everything that is wrong with a set of files.
type faults struct {
	all  filesource.Faults
	more int // beyond maxFaults
}

func (f *faults) add(at place, path, format string, args ...any) {
	if len(f.all) == maxFaults {
		f.more++
		return
	}
	f.all = append(f.all, &filesource.Fault{
		File: at.file, Line: at.line, Column: at.column, Path: path, Problem: fmt.Sprintf(format, args...),
	})
}

// err returns the faults in the order of their places, or nil.
func (f *faults) err() error {
	if len(f.all) == 0 {
		return nil
	}
	slices.SortStableFunc(f.all, func(a, b *filesource.Fault) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if f.more > 0 {
		f.all = append(f.all, &filesource.Fault{File: f.all[0].File, Problem: fmt.Sprintf("there are %d faults more", f.more)})
	}
	return f.all
}
