package sluice_test

import (
	"strings"
	"testing"

	"github.com/sluice-project/sluice"
)

func TestPolicyValidate(t *testing.T) {
	t.Parallel()
	one := []sluice.Limit{sluice.PerSecond(1)}
	nine := make([]sluice.Limit, 9)
	for i := range nine {
		nine[i] = sluice.PerSecond(1).WithName(strings.Repeat("a", i+1))
	}
	for _, test := range []struct {
		policy sluice.Policy
		want   []string // nil: legal
	}{
		{policy: sluice.Policy{Name: "api", Limits: one}},
		{policy: sluice.Policy{Name: "0.a_b-c", Limits: nine[:8]}},
		{policy: sluice.InlinePolicy("billing", one...)},
		{policy: sluice.Policy{Limits: one}, want: []string{`name: ""`}},
		{policy: sluice.Policy{Name: "API", Limits: one}, want: []string{`name: "API" must be`}},
		{policy: sluice.Policy{Name: "a|b", Limits: one}, want: []string{"name: "}},
		{policy: sluice.InlinePolicy("~x", one...), want: []string{"namespace: "}},
		{policy: sluice.Policy{Name: "api"}, want: []string{"limits: there is none"}},
		{policy: sluice.Policy{Name: "api", Limits: nine}, want: []string{"limits: there are 9; at most 8"}},
		{
			policy: sluice.Policy{Name: "-", Limits: []sluice.Limit{sluice.PerSecond(0), sluice.PerDay(1), sluice.PerDay(2)}},
			want:   []string{"name: ", "limits[0]: the count is 0", `limits[2]: its name "day" is also that of limits[1]`},
		},
	} {
		err := test.policy.Validate()
		if (err == nil) != (test.want == nil) {
			t.Errorf("%v.Validate() = %v, want %v", test.policy, err, test.want)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v.Validate() = %v, want it to say %q", test.policy, err, want)
			}
		}
	}
}
