package storetest

import (
	"testing"

	"github.com/sluice-project/sluice"
)

func TestBound(t *testing.T) {
	const s = 1_000_000 // ticks
	for _, test := range []struct {
		limit string
		all   admissions
		legal bool
	}{
		{"10/s burst 20", admissions{{0, 20}, {s, 10}, {s + s/10, 1}}, true},
		{"10/s burst 20", admissions{{0, 20}, {s, 10}, {s + s/10 - 1, 1}}, false},
		{"10/s burst 20", admissions{{0, 1}, {5 * s, 21}}, false},
		{"2/s", admissions{{0, 1}, {s - 1, 1}, {s, 1}, {2*s - 1, 1}}, true},
		{"2/s", admissions{{0, 1}, {s / 2, 1}, {s - 1, 1}}, false},
		{"2/s", admissions{{0, 3}}, false},
		{"2/s fixed-window", admissions{{5, 1}, {s + 4, 1}, {s + 5, 2}}, true},
		{"2/s fixed-window", admissions{{5, 1}, {s, 1}, {s + 4, 1}}, false},
		{"2/s fixed-window aligned", admissions{{5, 1}, {s - 1, 1}, {s, 2}}, true},
		{"2/s fixed-window aligned", admissions{{s + 5, 1}, {2*s - 1, 2}}, false},
		{"10/s sliding-counter", admissions{{s, 10}, {2*s + s/10, 1}, {2*s + s/5, 1}}, true},
		{"10/s sliding-counter", admissions{{s, 10}, {2*s + s/10 - 1, 1}}, false},
		{"10/s sliding-counter", admissions{{s, 10}, {3 * s, 10}}, true},
		{"10/s burst 20", admissions{{s, 20}, {s, -5}, {s, 5}, {s + s/10, 1}}, true},
		{"10/s burst 20", admissions{{s, 20}, {s, -5}, {s, 6}}, false},
		{"10/s burst 20", admissions{{s, -5}, {s, 25}}, false},
		{"2/s", admissions{{s, 2}, {s + 1, -1}, {s + 2, 1}, {2*s + 2, 2}}, true},
		{"2/s", admissions{{s, 2}, {s + 1, -1}, {2*s - 1, 2}, {2*s + 2, -1}}, false},
		{"2/s fixed-window", admissions{{s, 2}, {s + 1, -1}, {s + 2, 1}, {2 * s, 2}}, true},
		{"2/s fixed-window", admissions{{s, 2}, {s + 1, -1}, {s + 2, 2}}, false},
		{"2/s fixed-window", admissions{{s, 2}, {s + 1, -3}, {s + 2, 1}, {2 * s, 2}}, false}, // the first window was none
		{"2/s fixed-window aligned", admissions{{s, 1}, {s + 1, -3}, {s + 2, 2}, {2 * s, 2}}, true},
		{"2/s fixed-window aligned", admissions{{s, 1}, {s + 1, -3}, {s + 2, 3}}, false},
		{"10/s sliding-counter", admissions{{s, 10}, {2*s + s/10 - 1, -1}, {2*s + s/10 - 1, 1}}, true},
		{"10/s sliding-counter", admissions{{s, 10}, {2*s + s/10 - 1, -1}, {2*s + s/10 - 1, 2}}, false},
	} {
		limit, err := sluice.ParseLimit(test.limit)
		if err != nil {
			t.Fatal(err)
		}
		if err := test.all.within(limit); (err == nil) != test.legal {
			t.Errorf("%s: %v: error %v, want legal %t", limit, test.all, err, test.legal)
		}
	}
}
