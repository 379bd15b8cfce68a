package main

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/policy/filesource"
	"github.com/sluice-project/sluice/server/envoyrls/config"
)

// FuzzSetField reads any FIELD=VALUE, and puts it into a document. What comes out is JSON.
func FuzzSetField(f *testing.F) {
	for _, seed := range []string{"shadow=true", "limits.second=20/s", "limits={\"a\":1}", "block.=", "a.b.c=", "=", "x=\xff", "overrides.trial-*={}", "key=[", "\"=1"} {
		f.Add(seed)
	}
	const document = `{"key":["ip"],"limits":{"second":"10/s"},"shadow":false}`
	f.Fuzz(func(t *testing.T, arg string) {
		l, err := policyKind.parseLeaf(arg)
		if err != nil {
			return
		}
		leaves, err := policyKind.leaves([]byte(document))
		if err != nil {
			t.Fatal(err)
		}
		made := policy.JoinDocument(setLeaf(leaves, l))
		if !jsontext.Value(made).IsValid() {
			t.Errorf("%q makes %s of the document, which is no JSON", arg, made)
		}
	})
}

// FuzzRemote reads any URL of a server, and any revision. An error never shows a password.
func FuzzRemote(f *testing.F) {
	for _, seed := range []string{"http://127.0.0.1:8080", "https://u:open-sesame@h/x", "h:1", "http://", "unix:/run/s", "http://[::1%25lo]", "http://u:open-sesame@h:port"} {
		f.Add(seed, "1")
	}
	f.Fuzz(func(t *testing.T, url, revision string) {
		_, _ = parseMeant(revision)
		r, err := newRemote(url)
		if err == nil {
			r.close()
			return
		}
		if strings.Contains(url, ":open-sesame@") && strings.Contains(err.Error(), "open-sesame") {
			t.Errorf("newRemote(%q) says the password: %v", url, err)
		}
	})
}

// FuzzImport prints any rate limit file that can be read as a configuration file. That is one that can be read, too.
func FuzzImport(f *testing.F) {
	for _, seed := range []string{
		"domain: d\ndescriptors:\n- key: a\n  rate_limit: {unit: minute, requests_per_unit: 3}\n- key: \"x\\n# y\"\n  value: \"é*\"\n  shadow_mode: true\n  rate_limit: {unit: day, requests_per_unit: 4294967295}\n",
		"domain: \"a\\u2028b\"\ndescriptors:\n- key: a\n  descriptors:\n  - key: b\n    rate_limit: {unlimited: true}\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		from, err := config.Parse([]config.File{{Name: "f.yaml", Data: file}}, config.Options{})
		if err != nil {
			return
		}
		var b strings.Builder
		if err := printImported(&b, "a\nb", from); err != nil {
			t.Fatal(err)
		}
		if _, err := filesource.Parse("imported.yaml", []byte(b.String())); err != nil {
			t.Errorf("%q is imported as\n%s\nof which filesource says: %v", file, b.String(), err)
		}
	})
}
