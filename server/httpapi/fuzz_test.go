package httpapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/sluice-project/sluice"
)

// Whatever is sent, it is read as encoding/json would read it, or refused with a problem that says why.
func FuzzParseCheck(f *testing.F) {
	for _, seed := range []string{
		`{"policy":"api","key":"alice"}`,
		`{"policy":"api","key_base64":"/w==","cost":3}`,
		`{"namespace":"n","limits":["5/15m","10/s burst 20"],"key":"a\u0000b"}`,
		`{"policy":"api","key":"\ud83d\ude00"}`, `{"policy":"api","key":"\ud800"}`, "{\"policy\":\"api\",\"key\":\"\xff\"}",
		`{"policy":"api","key":"a","key":"b"}`, `{"policy":"api","key":"a"}{}`, `{"cost":1e3}`, `[[[[`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := parseCheck(bytes.Clone(body))
		if err != nil {
			if p := (*Problem)(nil); !errors.As(err, &p) || p.Status != 400 || p.Detail == "" {
				t.Errorf("parseCheck(%q) = %v, want a problem of status 400", body, err)
			}
			return
		}
		var want struct {
			Policy, Namespace, Key *string
			Limits                 []string
			KeyBase64              *string `json:"key_base64"`
			Cost                   *int64
		}
		if err := json.Unmarshal(body, &want); err != nil || !utf8.Valid(body) {
			t.Fatalf("parseCheck(%q) reads what is no JSON in UTF-8: %v", body, err)
		}
		if want.KeyBase64 != nil {
			key, err := base64.StdEncoding.DecodeString(*want.KeyBase64)
			if err == nil && string(key) != *c.key {
				t.Errorf("parseCheck(%q) reads the key %q, want %q", body, *c.key, key)
			}
		} else if *want.Key != *c.key {
			t.Errorf("parseCheck(%q) reads the key %q, want %q", body, *c.key, *want.Key)
		}
		if cost := int64(1); want.Cost != nil && *want.Cost != c.cost || want.Cost == nil && c.cost != cost {
			t.Errorf("parseCheck(%q) reads the cost %d", body, c.cost)
		}
		if !same(want.Policy, c.policy) || !same(want.Namespace, c.namespace) {
			t.Errorf("parseCheck(%q) reads another policy or namespace", body)
		}
		if len(want.Limits) != len(c.limits) || (c.policy != nil) != (c.limits == nil) {
			t.Fatalf("parseCheck(%q) reads %d limits, want %d", body, len(c.limits), len(want.Limits))
		}
		for i, text := range want.Limits {
			if l, err := sluice.ParseLimit(text); err != nil || l != c.limits[i] {
				t.Errorf("parseCheck(%q) reads the limit %s, want %s", body, c.limits[i], text)
			}
		}
	})
}

func same(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

// Whatever a client writes behind its path makes it no other path, and no path is empty.
func FuzzPathOf(f *testing.F) {
	for _, seed := range []string{"/login", "/login%zz", "//x/login", "https://example.com", "http://a:b/c%", "*", "", "%2F"} {
		f.Add(seed, "%zz1")
	}
	f.Fuzz(func(t *testing.T, uri, more string) {
		want := pathOf(uri)
		if want == "" {
			t.Errorf("pathOf(%q) is empty", uri)
		}
		for _, end := range []string{"?", "#"} {
			if got := pathOf(uri + end + more); got != want {
				t.Errorf("pathOf(%q) = %q, want %q as without what is behind %s", uri+end+more, got, want, end)
			}
		}
	})
}
