package httpapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
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
			if err == nil && string(key) != c.key {
				t.Errorf("parseCheck(%q) reads the key %q, want %q", body, c.key, key)
			}
		} else if *want.Key != c.key {
			t.Errorf("parseCheck(%q) reads the key %q, want %q", body, c.key, *want.Key)
		}
		if cost := int64(1); want.Cost != nil && *want.Cost != c.cost || want.Cost == nil && c.cost != cost {
			t.Errorf("parseCheck(%q) reads the cost %d", body, c.cost)
		}
		if !same(want.Policy, c.policy, c.hasPolicy) || !same(want.Namespace, c.namespace, c.hasNamespace) {
			t.Errorf("parseCheck(%q) reads another policy or namespace", body)
		}
		if len(want.Limits) != len(c.limits) || c.hasPolicy != (c.limits == nil) {
			t.Fatalf("parseCheck(%q) reads %d limits, want %d", body, len(c.limits), len(want.Limits))
		}
		for i, text := range want.Limits {
			if l, err := sluice.ParseLimit(text); err != nil || l != c.limits[i] {
				t.Errorf("parseCheck(%q) reads the limit %s, want %s", body, c.limits[i], text)
			}
		}
	})
}

// Whatever a body of a block, of an override or of many policies is, it is read, or refused with a problem or faults that
// name their fields.
func FuzzParseChanges(f *testing.F) {
	for _, seed := range []string{
		barExample, exceptionExample, imposedExample, policyExample, scheduleExample,
		`{"until":"2100-01-01T00:00:00+01:00","reason":"a\u0000b"}`, `{"for_ms":1,"until":"1970-01-01T00:00:00Z"}`, `{"limits":["5/15m"],"until":""}`,
		`{"limits":{"a":"1/s","A":"2/s"},"for_ms":31622400001}`, `{"policies":{"":{}},"schedules":{"s":{"cron":"@every 1s","reset":{"policy":""}}}}`, `[[[`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		refusal := func(what string, err error) bool {
			if err == nil {
				if !json.Valid(body) || !utf8.Valid(body) {
					t.Errorf("%s(%q) reads what is no JSON in UTF-8", what, body)
				}
				return false
			}
			if p := problemOfChange(err); p.Status != 400 || p.Detail == "" || len(p.Detail) > 1<<13 {
				t.Errorf("%s(%q) = %v, want a problem of status 400", what, body, err)
			}
			return true
		}
		if bar, err := parseBar(bytes.Clone(body)); !refusal("parseBar", err) {
			if (bar.For == 0) == (bar.Until == 0) || bar.For < 0 || bar.Until < 0 || bar.For > sluice.MaxPeriod {
				t.Errorf("parseBar(%q) = %+v, want one span", body, bar)
			}
		}
		if exception, err := parseException(bytes.Clone(body)); !refusal("parseException", err) {
			for _, l := range exception.Limits {
				if l.Validate() != nil {
					t.Errorf("parseException(%q) has the limit %s", body, l)
				}
			}
			if exception.For != 0 && exception.Until != 0 || exception.For < 0 || exception.Until < 0 {
				t.Errorf("parseException(%q) = %+v, want one span at most", body, exception)
			}
		}
		if file, err := parseImposed(bytes.Clone(body)); !refusal("parseImposed", err) {
			if _, err := policy.NewSnapshot(file.Policies, time.Time{}); err != nil {
				t.Errorf("parseImposed(%q) has illegal policies: %v", body, err)
			}
			for _, s := range file.Schedules {
				if err := s.Validate(); err != nil {
					t.Errorf("parseImposed(%q) has an illegal schedule: %v", body, err)
				}
			}
		}
	})
}

// Whatever stands in If-Match, it is a tag in quotation marks, an asterisk, or refused with a remedy.
func FuzzParseTag(f *testing.F) {
	for _, seed := range []string{`"17"`, `*`, `W/"17"`, `"17", "18"`, `""`, `"`, `17`, ``, ` "a" `, `"a"b`, "\"\x00\"", `"0"`, `"-1"`, `"007"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tag, problem := parseTag(text)
		bare := strings.Trim(text, " \t")
		switch {
		case problem != "":
			if tag != "" || !strings.Contains(problem, "send the ETag") {
				t.Errorf("parseTag(%q) = %q, %q, want a remedy and no tag", text, tag, problem)
			}
		case bare != "*" && bare != `"`+tag+`"`:
			t.Errorf("parseTag(%q) = %q", text, tag)
		}
		if r := revisionOf(tag); r <= 0 || r != noRevision && r.String() != tag {
			t.Errorf("revisionOf(%q) = %d, want the revision that it is, or none", tag, r)
		}
	})
}

// A path is that of a call with just the name that it has between its slashes, once unescaped.
func FuzzFind(f *testing.F) {
	for _, seed := range []string{
		"/v1/policies/api", "/v1/policies/a%2Fkey", "/v1/policies/%2561/key/block", "/v1/policies//key", "/v1/schedules/s/run", "/v1/authorize/a/b%2F",
		"/v1/policies/{name}", "/v1%2Fpolicies/api", "/v1/policies/api/", "//v1/check", "/metrics", "", "*",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		rt, on, found := find(u)
		if !found {
			return
		}
		switch {
		case len(rt.calls) == 0:
			t.Errorf("find(%q) is a route without calls", path)
		case strings.Contains(on.name, "/"):
			t.Errorf("find(%q) has the name %q", path, on.name)
		case rt.kind == adminRoute && on.name != "" && !strings.Contains(u.EscapedPath(), "/"+url.PathEscape(on.name)) && u.RawPath == "":
			t.Errorf("find(%q) has the name %q, which the path has not", path, on.name)
		}
	})
}

// same reports whether a text is the one that is wanted, nil where none is.
func same(want *string, got string, has bool) bool {
	return has == (want != nil) && (want == nil || *want == got)
}

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
