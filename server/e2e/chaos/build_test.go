//go:build unix

package main

import "testing"

// TestOverlay shows that what is put in the place of files still fits them: each fault of the product, and the clock, alone
// and together.
func TestOverlay(t *testing.T) {
	t.Parallel()
	for _, name := range faultNames() {
		o, dir := overlay{}, t.TempDir()
		if err := o.breakBy(name, dir); err != nil {
			t.Error(err)
		}
		if err := o.moveClock(dir); err != nil {
			t.Error(err)
		}
		if len(o) != 4 {
			t.Errorf("%s and the clock are %d files, want 4", name, len(o))
		}
	}
	if err := (overlay{}).breakBy("nothing", t.TempDir()); err == nil {
		t.Error("a fault that there is not was put in")
	}
}
