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
		"[[[[[[[[[[[[[[[[[[[[", "- - - - - - - - - - - - - - - - - - -", "\xff\xfea\x00", "a: \x00", "&x\n", "!\n", "*\n", "{? : }", "a: >-\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse("f.yaml", data)
		if err == nil {
			if _, err := policy.NewSnapshot(file.Policies); err != nil {
				t.Errorf("the policies of a file without faults are not valid: %v", err)
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

func FuzzParseDuration(f *testing.F) {
	for _, seed := range []string{"100ms", "1d12h", "65535d", "-1s", "d", "1d-1s", "0.5d", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDuration(text)
		if plain, plainErr := time.ParseDuration(text); plainErr == nil && (err != nil || d != plain) {
			t.Errorf("parseDuration(%q) = %s, %v, want %s", text, d, err, plain)
		}
		if err == nil && strings.Contains(text, "d") && d < 0 {
			t.Errorf("parseDuration(%q) = %s, which is negative", text, d)
		}
	})
}
