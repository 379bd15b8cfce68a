package policy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
)

func TestParseKeyPart(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]policy.KeyPart{
		"ip":               {Kind: policy.IP},
		"path":             {Kind: policy.Path},
		"method":           {Kind: policy.Method},
		"header:X-API-Key": {Kind: policy.Header, Name: "X-API-Key"},
		"header:ip":        {Kind: policy.Header, Name: "ip"},
		"cookie:__Host-id": {Kind: policy.Cookie, Name: "__Host-id"},
	} {
		got, err := policy.ParseKeyPart(text)
		if err != nil || got != want {
			t.Errorf("ParseKeyPart(%q) = %+v, %v, want %+v", text, got, err, want)
		}
		if got.String() != text {
			t.Errorf("String of %+v = %q, want %q", got, got.String(), text)
		}
	}
}

func TestParseKeyPartErrors(t *testing.T) {
	t.Parallel()
	const forms = "it must be ip, header:NAME, cookie:NAME, path or method"
	for text, want := range map[string]string{
		"":            `key: "" is no part of a key; ` + forms,
		"IP":          `key: "IP" is no part of a key; ` + forms,
		"address":     `key: "address" is no part of a key; ` + forms,
		"ip:":         `key: "ip:" is no part of a key; ` + forms,
		"path:/a":     `key: "path:/a" is no part of a key; ` + forms,
		"header":      `key: "header": the name is missing; write header:NAME`,
		"header:":     `key: "header:": the name is missing; write header:NAME`,
		"header: X":   "key: \"header: X\": the name \" X\" holds a character that a header name cannot have; letters, digits and !#$%&'*+-.^_`|~ can be in it",
		"header:A:B":  "key: \"header:A:B\": the name \"A:B\" holds a character that a header name cannot have; letters, digits and !#$%&'*+-.^_`|~ can be in it",
		"cookie:\xff": "key: \"cookie:\\xff\": the name \"\\xff\" holds a character that a cookie name cannot have; letters, digits and !#$%&'*+-.^_`|~ can be in it",
	} {
		got, err := policy.ParseKeyPart(text)
		var invalid *sluice.InvalidError
		if !errors.As(err, &invalid) || err.Error() != want {
			t.Errorf("ParseKeyPart(%q) = %+v, %v, want error %s", text, got, err, want)
		}
	}
}

func TestKeyPartString(t *testing.T) {
	t.Parallel()
	if got := (policy.KeyPart{Kind: 9}).String(); got != "KeyKind(9)" {
		t.Errorf("String of an unknown kind = %q, want KeyKind(9)", got)
	}
}

func FuzzParseKeyPart(f *testing.F) {
	for _, seed := range []string{"ip", "header:X-API-Key", "cookie:a", "method:", "header:\x00", "ip|path"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		part, err := policy.ParseKeyPart(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x00") || len(err.Error()) > 2000 {
				t.Errorf("ParseKeyPart(%q) error is not one short line: %q", text, err)
			}
			return
		}
		if part.String() != text {
			t.Errorf("String of ParseKeyPart(%q) = %q", text, part.String())
		}
		p := policy.Policy{Policy: sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerDay(1)}}, Key: []policy.KeyPart{part}}
		if err := p.Validate(); err != nil {
			t.Errorf("Validate of a policy with ParseKeyPart(%q): %v", text, err)
		}
	})
}
