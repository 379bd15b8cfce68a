package filesource

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sluice-project/sluice/policy"
)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		complete,
		"", "\ufeff# only a comment\n", "---\na: 1\n---\n", "%YAML 1.2\n---\npolicies: {}\n", "policies:\n\tapi: {}\n",
		"policies: &a {x: *a}\n", "<<: {store: memory}\n", "? [a, b]\n: !!str c\n", "store: |\n  memory\n",
		"policies: {api: {limits: [10/s, 5/s, 10/fortnight], key: [ip, ip], shadow: yes}}\r\n", "a: 'b\n\n  c'\nd: \"\\x00\"\n",
		"schedules: {a: {cron: '@hourly', reset: {policy: b}}, c: {cron: 1, adjust: {by: +1}}}\npolicies: {b: {limits: [1/s]}}\n",
		"policies: {a: {limits: [1/s], block: {after: 1, for: 1s}, overrides: {'x*': {limits: [1/s], until: 2027-01-01T00:00:00Z}}}}\n",
		"[[[[[[[[[[[[[[[[[[[[", "- - - - - - - - - - - - - - - - - - -", "\xff\xfea\x00", "a: \x00", "&x\n", "!\n", "*\n", "{? : }", "a: >-\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse("f.yaml", data)
		if err == nil {
			if _, err := policy.NewSnapshot(file.Policies, time.Now()); err != nil {
				t.Errorf("the policies of a file without faults are not valid: %v", err)
			}
			for _, p := range file.Policies {
				if _, err := policy.ParseDocument(p.Name, p.Document()); err != nil {
					t.Errorf("the document of the policy %s of a file without faults has some: %v", p.Name, err)
				}
			}
			for _, s := range file.Schedules {
				if err := s.Validate(); err != nil {
					t.Errorf("the schedule %s of a file without faults is not valid: %v", s.Name, err)
				}
			}
			return
		}
		var faults Faults
		if !errors.As(err, &faults) || len(faults) == 0 {
			t.Fatalf("Parse error = %#v, want Faults", err)
		}
		lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + 1
		for _, fault := range faults {
			if fault.Line < 0 || fault.Line > lines || (fault.Line == 0) != (fault.Column == 0) {
				t.Errorf("fault %q is at %d:%d of a file of %d lines", fault, fault.Line, fault.Column, lines)
			}
			if strings.ContainsAny(fault.Error(), "\n\r\x00") {
				t.Errorf("fault %q is not one line of text", fault)
			}
		}
	})
}
