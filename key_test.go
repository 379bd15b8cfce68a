package sluice_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-project/sluice"
)

func TestValidateKey(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		key  string
		want string
	}{
		{"a", ""},
		{"\x00\xff\n{}|", ""},
		{strings.Repeat("k", 4096), ""},
		{"", "it is empty"},
		{strings.Repeat("k", 4097), "it has 4097 bytes"},
	} {
		err := sluice.ValidateKey(test.key)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("ValidateKey(%.20q) = %v, want %q", test.key, err, test.want)
		}
	}
}

func TestJoinKey(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("/x", 3000)
	for _, test := range []struct {
		parts []string
		want  string
	}{
		{[]string{"10.0.0.1"}, "10.0.0.1"},
		{[]string{"10.0.0.1", "/a"}, "10.0.0.1|/a"},
		{[]string{"a|b"}, `a\|b`},
		{[]string{"a", "b"}, "a|b"},
		{[]string{`a\`, "b"}, `a\\|b`},
		{[]string{"", ""}, "|"},
	} {
		if got := sluice.JoinKey(test.parts...); got != test.want {
			t.Errorf("JoinKey(%q) = %q, want %q", test.parts, got, test.want)
		}
	}
	if a, b := sluice.JoinKey(long), sluice.JoinKey(long+"y"); a == b || sluice.ValidateKey(a) != nil {
		t.Errorf("JoinKey of two long parts = %q and %q, want two different legal keys", a, b)
	}
}

func FuzzJoinKey(f *testing.F) {
	f.Add("a|b", "c", "a", "b|c")
	f.Add(`\`, `|`, `\|`, ``)
	f.Add(`\sha256:00`, "", "", "")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		lists := [][]string{{a}, {a, b}, {a, b, c}, {c}, {c, d}, {d, c, b, a}}
		for i, x := range lists {
			for _, y := range lists[:i] {
				if same := sluice.JoinKey(x...) == sluice.JoinKey(y...); same != slices.Equal(x, y) {
					t.Errorf("JoinKey(%q) == JoinKey(%q) is %v", x, y, same)
				}
			}
		}
	})
}
