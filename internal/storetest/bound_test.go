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

// TestLentBound: through and used are apart where units are lent.
func TestLentBound(t *testing.T) {
	const s = 1_000_000 // ticks
	for _, test := range []struct {
		what  string
		limit string
		all   account
		legal bool
	}{
		{
			"a lost loan keeps its window though all else is given back", "3/s fixed-window",
			account{{s, 1, 1}, {s + 9, 0, 1}, {s + 9, -1, -1}, {s + 9, 2, 2}, {2 * s, 3, 3}},
			true,
		},
		{
			"and does not begin another", "3/s fixed-window",
			account{{s, 1, 1}, {s + 9, 0, 1}, {s + 9, -1, -1}, {s + 9, 2, 2}, {2*s - 1, 2, 2}},
			false,
		},
		{
			"without it they would be one window", "3/s fixed-window",
			account{{s, 1, 1}, {s + 9, -1, -1}, {s + 9, 2, 2}, {2 * s, 3, 3}},
			false,
		},
		{
			"a window begins where a loan is accounted for", "3/s fixed-window",
			account{{s, 2, 2}, {s + 1, 1, 0}, {s + 2, -2, -2}, {s + 9, 0, 1}, {2*s + 8, 2, 2}, {2*s + 9, 3, 3}},
			true,
		},
		{
			"what was spent before it counts in it", "3/s fixed-window",
			account{{s, 2, 2}, {s + 1, 1, 0}, {s + 2, -2, -2}, {s + 9, 0, 1}, {2*s + 8, 3, 3}},
			false,
		},
		{
			"also where a check begins it", "3/s fixed-window",
			account{{s, 2, 2}, {s + 2, -2, -2}, {s + 3, 1, 0}, {s + 4, 3, 3}},
			false,
		},
		{
			"and what is spent of a loan that outlives its window", "3/s fixed-window",
			account{{s, 1, 1}, {2*s + 1, 1, 0}, {2*s + 2, 3, 3}},
			false,
		},
		{
			"also where nothing is admitted besides", "3/s fixed-window",
			account{{s, 1, 1}, {2*s + 1, 2, 0}, {2*s + 2, 2, 0}},
			false,
		},
		{
			"no more goes back than counts", "3/s fixed-window",
			account{{s, 2, 2}, {s + 1, 1, 0}, {s + 2, -70, -70}, {s + 3, 3, 3}},
			false,
		},
		{
			"what is spent is more than what is told", "3/s fixed-window",
			account{{s, 1, 1}, {s + 1, 3, 0}, {s + 2, 0, 1}},
			false,
		},
		{
			"more in one period than two windows have", "3/s fixed-window", // as if the refund made the window end
			account{{s, 1, 1}, {s + 1, 2, 2}, {s + 2, 0, -3}, {s + 3, 3, 3}}, false,
		},
		{
			"lent of a window of the clock that nobody has used", "3/s fixed-window aligned",
			account{{s, 2, 0}, {s + 1, 2, 2}},
			false,
		},
		{
			"and another such", "3/s fixed-window aligned",
			account{{2*s - 1, 3, 0}, {2*s - 1, 0, 3}, {2 * s, 3, 0}},
			true,
		},
		{
			"as much as two windows have, where the clock begins them", "3/s fixed-window aligned",
			account{{2*s - 1, 3, 3}, {2 * s, 3, 3}},
			true,
		},
		{
			"no other algorithm asks when it counts", "3/s",
			account{{s, 2, 2}, {s + 1, 1, 0}, {s + 2, -1, -1}, {s + 9, 0, 3}, {s + 9, 1, 0}},
			true,
		},
		{
			"nor is one kinder", "3/s",
			account{{s, 2, 2}, {s + 1, 2, 0}},
			false,
		},
	} {
		limit, err := sluice.ParseLimit(test.limit)
		if err != nil {
			t.Fatal(err)
		}
		if err := test.all.within(limit); (err == nil) != test.legal {
			t.Errorf("%s: %s: %v: error %v, want legal %t", test.what, limit, test.all, err, test.legal)
		}
	}
}
