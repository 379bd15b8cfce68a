package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/server/httpapi"
)

const liveConfig = `
policies:
  b: {limits: [5/15m]}
  a: {key: [ip, header:X-Y], missing: allow, limits: {second: 10/s burst 20, day: 10000/day}, on_error: deny, shadow: true}
`

const (
	documentA = `{"key":["ip","header:X-Y"],"missing":"allow","limits":{"second":"10/s burst 20","day":"10000/day"},"on_error":"deny","shadow":true,"deny_cache":false}`
	documentB = `{"missing":"refuse","limits":{"15m":"5/15m"},"on_error":"allow","shadow":false,"deny_cache":false}`
	// documentFull has every field that a policy can have.
	documentFull = `{"key":["ip"],"missing":"refuse","limits":{"s":"3/s","month":"100/month calendar Europe/Berlin"},"on_error":"allow","shadow":false,"deny_cache":true,` +
		`"block":{"after":3,"within":"1m","for":"15m","max":"1h"},"lease":{"share":"10%","ttl":"1s"},` +
		`"overrides":{"tenant-42":{"limits":{"s":"30/s"}},"trial-<*":{"limits":{"s":"1/s"},"until":"2100-01-01T00:00:00Z"}}}`
)

// want reports an answer that has another status or body; where the body that is wanted is empty, any will do.
func (d door) want(w *httptest.ResponseRecorder, status int, body string) *httptest.ResponseRecorder {
	d.t.Helper()
	if got := strings.TrimSpace(w.Body.String()); w.Code != status || body != "" && got != body {
		d.t.Errorf("answer %d %s\nwant %d %s", w.Code, got, status, body)
	}
	return w
}

// wantProblem reports an answer that is not a problem of a kind, of a field, with a text in its detail.
func (d door) wantProblem(w *httptest.ResponseRecorder, name, field, detail string) httpapi.Problem {
	d.t.Helper()
	p := d.problem(w)
	if kind(p) != name || p.Field != field || !strings.Contains(p.Detail, detail) {
		d.t.Errorf("problem %s of field %q: %.500s\nwant %s of field %q with %q", kind(p), p.Field, p.Detail, name, field, detail)
	}
	if w.Body.Len() > 3000 {
		d.t.Errorf("the answer has %d bytes; what the caller sent must not come back at length", w.Body.Len())
	}
	return p
}

// tag returns the ETag of a policy or schedule.
func (d door) tag(target string) string {
	d.t.Helper()
	tag := d.want(d.send("GET", target, ""), 200, "").Header().Get("ETag")
	if tag == "" {
		d.t.Fatalf("GET %s has no ETag", target)
	}
	return tag
}

// changes returns how many changes there were.
func (d door) changes() int {
	d.t.Helper()
	var got struct{ Audit []json.RawMessage }
	if err := json.Unmarshal(d.send("GET", "/v1/audit?limit=1000", "").Body.Bytes(), &got); err != nil {
		d.t.Fatal(err)
	}
	return len(got.Audit)
}

func TestPoliciesAreShown(t *testing.T) {
	t.Parallel()
	d := open(t, liveConfig)
	tag := d.tag("/v1/policies/a")
	d.want(d.send("GET", "/v1/policies/a", ""), 200, documentA)
	d.want(d.send("GET", "/v1/policies", ""), 200, fmt.Sprintf(`{"policies":{"a":%s,"b":%s},"revisions":{"a":%s,"b":%s}}`,
		documentA, documentB, tag, d.tag("/v1/policies/b")))
	d.want(d.send("HEAD", "/v1/policies/a", ""), 200, "")
	d.want(d.send("GET", "/v1/policies/%61", ""), 200, documentA)
	for _, given := range []string{tag, "W/" + tag} {
		w := d.send("GET", "/v1/policies/a", "", "If-None-Match: "+given)
		if w.Code != 304 || w.Body.Len() > 0 || w.Header().Get("ETag") != tag {
			t.Errorf("If-None-Match: %s is answered %d %q, ETag %q, want 304 with the tag", given, w.Code, w.Body, w.Header().Get("ETag"))
		}
	}
	d.want(d.send("GET", "/v1/policies/a", "", `If-None-Match: "1"`), 200, documentA)
	for _, target := range []string{"/v1/policies/c", "/v1/policies/%2561"} {
		d.wantProblem(d.send("GET", target, ""), "unknown-policy", "policy", "/v1/policies")
	}
	d.wantProblem(d.send("GET", "/v1/policies?limit=1", ""), "invalid-value", "limit", "no parameters")
}

func TestPutPolicy(t *testing.T) {
	t.Parallel()
	d := open(t, liveConfig)
	tag := d.tag("/v1/policies/b")
	for _, document := range []string{documentFull, documentA, documentB} { // what GET gives, PUT takes
		w := d.want(d.send("PUT", "/v1/policies/b", document), 200, document)
		d.want(d.send("GET", "/v1/policies/b", ""), 200, document)
		if got := w.Header().Get("ETag"); got == tag || got != d.tag("/v1/policies/b") {
			t.Errorf("ETag of the change = %s, want a new one that the policy has then", got)
		}
		tag = w.Header().Get("ETag")
	}
	d.want(d.send("PUT", "/v1/policies/c", ` {"limits":["7/s"]} `), 201, `{"missing":"refuse","limits":{"second":"7/s"},"on_error":"allow","shadow":false,"deny_cache":false}`)
	if got := d.remaining("c", "alice"); got != 7 {
		t.Errorf("remaining = %d under the new policy, want 7", got)
	}
}

// What a key has used stays used when its policy is changed.
func TestPutPolicyKeepsCounters(t *testing.T) {
	t.Parallel()
	d := open(t, apiConfig)
	d.send("POST", "/v1/check", `{"policy":"once","key":"alice"}`)
	d.want(d.send("PUT", "/v1/policies/once", `{"limits":["3/366d"]}`), 200, "")
	if got := d.remaining("once", "alice"); got != 2 {
		t.Errorf("remaining = %d, want 2 of 3", got)
	}
	d.want(d.send("POST", "/v1/policies/once/reset", ""), 204, "")
	if got := d.remaining("once", "alice"); got != 3 {
		t.Errorf("remaining = %d after the reset of all keys, want 3", got)
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, method, target string
		headers              []string // TAG stands for the ETag of b
		status               int
		field, detail        string // of a problem
	}{
		{"the revision", "PUT", "b", []string{`If-Match: TAG`}, 200, "", ""},
		{"the revision and spaces", "PUT", "b", []string{"If-Match:  \tTAG "}, 200, "", ""},
		{"another revision", "PUT", "b", []string{`If-Match: "17"`}, 412, "", "read it, and change that"},
		{"no revision at all", "PUT", "b", []string{`If-Match: "0"`}, 412, "", "at revision"},
		{"a revision spelled otherwise", "PUT", "b", []string{`If-Match: "0TAG`}, 400, "If-Match", "follows the tag"},
		{"a negative revision", "PUT", "b", []string{`If-Match: "-1"`}, 412, "", "at revision"},
		{"a tag of something else", "PUT", "b", []string{`If-Match: "726722ae6cf397af138a9402739f829e"`}, 412, "", "at revision"},
		{"an empty tag", "PUT", "b", []string{`If-Match: ""`}, 412, "", "at revision"},
		{"whichever there is", "PUT", "b", []string{`If-Match: *`}, 200, "", ""},
		{"whichever there is, of none", "PUT", "c", []string{`If-Match: *`}, 412, "", "leave If-Match out to make it anew"},
		{"the revision of none", "PUT", "c", []string{`If-Match: TAG`}, 412, "", "there is no policy"},
		{"no revision, of none", "PUT", "c", []string{`If-Match: "0"`}, 412, "", "there is no policy"},
		{"not there yet", "PUT", "c", []string{`If-None-Match: *`}, 201, "", ""},
		{"not there yet, but it is", "PUT", "b", []string{`If-None-Match: *`}, 412, "", "at revision"},
		{"weak", "PUT", "b", []string{`If-Match: W/TAG`}, 400, "If-Match", "weak"},
		{"no quotation marks", "PUT", "b", []string{`If-Match: 17`}, 400, "If-Match", "quotation marks"},
		{"one quotation mark", "PUT", "b", []string{`If-Match: "17`}, 400, "If-Match", "quotation marks"},
		{"empty", "PUT", "b", []string{`If-Match: `}, 400, "If-Match", "quotation marks"},
		{"a space within", "PUT", "b", []string{`If-Match: "1 7"`}, 400, "If-Match", "printable"},
		{"a list", "PUT", "b", []string{`If-Match: TAG, "17"`}, 400, "If-Match", "a list"},
		{"two headers", "PUT", "b", []string{`If-Match: TAG`, `If-Match: "17"`}, 400, "If-Match", "a list"},
		{"something behind", "PUT", "b", []string{`If-Match: TAG;q=1`}, 400, "If-Match", "follows the tag"},
		{"none of a tag", "PUT", "b", []string{`If-None-Match: TAG`}, 400, "If-None-Match", "only be *"},
		{"both", "PUT", "b", []string{`If-Match: TAG`, `If-None-Match: *`}, 400, "If-None-Match", "leave out one"},

		{"delete the revision", "DELETE", "b", []string{`If-Match: TAG`}, 204, "", ""},
		{"delete another revision", "DELETE", "b", []string{`If-Match: "17"`}, 412, "", "at revision"},
		{"delete whichever there is", "DELETE", "b", []string{`If-Match: *`}, 204, "", ""},
		{"delete a weak one", "DELETE", "b", []string{`If-Match: W/TAG`}, 400, "If-Match", "weak"},

		{"reset is not guarded", "POST", "b/reset", []string{`If-Match: TAG`}, 400, "If-Match", "leave it out"},
		{"reset is not guarded by none", "POST", "b/reset", []string{`If-None-Match: *`}, 400, "If-None-Match", "leave it out"},
		{"a block is not guarded", "PUT", "b/key/block?key=a", []string{`If-Match: TAG`}, 400, "If-Match", "leave it out"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := open(t, liveConfig)
			tag, before := d.tag("/v1/policies/b"), d.changes()
			for i := range test.headers {
				test.headers[i] = strings.ReplaceAll(test.headers[i], "TAG", tag)
			}
			body := ""
			if test.method == "PUT" {
				body = `{"limits":["7/s"]}`
			}
			w := d.want(d.send(test.method, "/v1/policies/"+test.target, body, test.headers...), test.status, "")
			if test.status < 300 {
				return
			}
			name := map[int]string{400: "invalid-value", 412: "revision-conflict"}[test.status]
			p := d.wantProblem(w, name, test.field, test.detail)
			current := ""
			if test.status == 412 && test.target == "b" {
				current = tag
			}
			if got := w.Header().Get("ETag"); got != current || p.CurrentRevision != strings.Trim(current, `"`) {
				t.Errorf("ETag = %q, current_revision = %q, want %q", got, p.CurrentRevision, current)
			}
			if got := d.changes(); got != before {
				t.Errorf("there were %d changes, want none", got-before)
			}
		})
	}
}

// Of several writers with one If-Match one wins, and the others are told so.
func TestOneOfManyWritersWins(t *testing.T) {
	t.Parallel()
	d := open(t, liveConfig)
	tag := d.tag("/v1/policies/b")
	const writers = 8
	codes := make([]int, writers)
	var group sync.WaitGroup
	for i := range writers {
		group.Go(func() {
			codes[i] = d.send("PUT", "/v1/policies/b", fmt.Sprintf(`{"limits":["%d/h"]}`, i+1), "If-Match: "+tag).Code
		})
	}
	group.Wait()
	won := -1
	for i, code := range codes {
		switch {
		case code == 200 && won < 0:
			won = i
		case code != 412:
			t.Errorf("writer %d is answered %d, want 200 once and else 412", i, code)
		}
	}
	if got := d.remaining("b", "alice"); won < 0 || got != int64(won+1) {
		t.Errorf("remaining = %d, want that of the writer who won, %d", got, won+1)
	}
}

func TestPolicyMistakes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, target, body string
		kind, field        string
		detail             string
	}{
		{"empty", "b", ``, "malformed-body", "", `the body is empty; send a JSON object, such as {"limits"`},
		{"no JSON", "b", `limits: [1/s]`, "malformed-body", "", "it is no JSON"},
		{"a list", "b", `[]`, "malformed-body", "", "it is a list; it must be an object"},
		{"truncated", "b", `{"limits":`, "malformed-body", "", "ends before"},
		{"two", "b", `{"limits":["1/s"]}{}`, "malformed-body", "", "another value follows"},
		{"twice", "b", `{"limits":["1/s"],"limits":["2/s"]}`, "malformed-body", "limits", "given twice"},
		{"twice, deep", "b", `{"limits":{"a":"1/s","\u0061":"2/s"}}`, "malformed-body", "limits.a", "given twice"},
		{"no UTF-8", "b", "{\"limits\":{\"\xff\":\"1/s\"}}", "malformed-body", "limits", "no Unicode"},
		{"deep", "b", `{"limits":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`, "invalid-value", "document", "deep"},
		{"unknown field", "b", `{"limits":["1/s"],"shado":true}`, "invalid-value", "shado", "shadow"},
		{"no limits", "b", `{}`, "invalid-value", "limits", "give at least one"},
		{"a limit", "b", `{"limits":{"second":"10/x"}}`, "invalid-value", "limits.second", "10/x"},
		{"two limits of one name", "b", `{"limits":["1/s","2/s"]}`, "invalid-value", "limits[1]", "unique"},
		{"several", "b", `{"limits":{"second":"10/x"},"shadow":1,"key":"ipp"}`, "invalid-value", "limits.second", "key: "},
		{"a penalty", "b", `{"limits":["1/s"],"block":{"after":0,"within":"1m","for":"1m"}}`, "invalid-value", "block.after", "1 to"},
		{"a zone", "b", `{"limits":["1/month calendar Europe/Atlantis"]}`, "invalid-value", "limits[0]", "Atlantis"},
		{"until in the past", "b", `{"limits":["1/s"],"overrides":{"a":{"limits":["2/s"],"until":"2001-01-01T00:00:00Z"}}}`, "invalid-value", "overrides.a.until", "has passed"},
		{"a name", "B", `{"limits":["1/s"]}`, "invalid-value", "name", "a-z"},
		{"no name", "", `{"limits":["1/s"]}`, "invalid-value", "name", "a-z"},
		{"a name like a namespace", "~n", `{"limits":["1/s"]}`, "invalid-value", "name", "~"},
		{"very many faults", "b", `{` + manyFields(5000) + `"limits":["1/s"]}`, "invalid-value", "x0", "and 991 more"},
		{"a parameter", "b?force=true", `{"limits":["1/s"]}`, "invalid-value", "force", "no parameters"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := open(t, liveConfig)
			before := d.changes()
			d.wantProblem(d.send("PUT", "/v1/policies/"+test.target, test.body), test.kind, test.field, test.detail)
			d.want(d.send("GET", "/v1/policies/b", ""), 200, documentB)
			if got := d.changes(); got != before {
				t.Errorf("there were %d changes, want none", got-before)
			}
		})
	}
}

// manyFields returns fields that there are not.
func manyFields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"x%d":%d,`, i, i)
	}
	return b.String()
}

func TestDeletePolicy(t *testing.T) {
	t.Parallel()
	d := open(t, liveConfig)
	d.want(d.send("DELETE", "/v1/policies/b", ""), 204, "")
	d.wantProblem(d.send("GET", "/v1/policies/b", ""), "unknown-policy", "policy", `"b"`)
	for _, headers := range [][]string{nil, {`If-Match: *`}, {`If-Match: "17"`}} {
		d.wantProblem(d.send("DELETE", "/v1/policies/b", "", headers...), "unknown-policy", "policy", `"b"`)
	}
	d.wantProblem(d.send("POST", "/v1/policies/b/reset", ""), "unknown-policy", "policy", `"b"`)
	d.want(d.send("PUT", "/v1/schedules/s", `{"cron":"@hourly","reset":{"policy":"a"}}`), 201, "")
	d.wantProblem(d.send("DELETE", "/v1/policies/a", ""), "invalid-value", "policy", "the schedule s is about it")
}

// A body where there can be none means something that would not be done.
func TestNoBodyWhereThereIsNone(t *testing.T) {
	t.Parallel()
	d := open(t, apiConfig)
	for _, call := range []struct{ method, target string }{
		{"POST", "/v1/policies/once/reset"},
		{"DELETE", "/v1/policies/once"},
		{"DELETE", "/v1/policies/once/key?key=alice"},
		{"DELETE", "/v1/policies/once/key/block?key=alice"},
		{"DELETE", "/v1/policies/once/key/override?key=alice"},
		{"POST", "/v1/schedules/s/run"},
		{"DELETE", "/v1/schedules/s"},
	} {
		d.wantProblem(d.send(call.method, call.target, `{"key":"alice"}`), "malformed-body", "", "takes no body")
	}
	r := httptest.NewRequest("POST", "/v1/policies/once/reset", strings.NewReader(""))
	r.Host, r.ContentLength = "127.0.0.1", -1 // of no length that is known
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	d.want(w, 204, "")
}

func TestImpose(t *testing.T) {
	t.Parallel()
	d := open(t, liveConfig)
	body := `{"schedules":{"hourly":{"cron":"@hourly","reset":{"policy":"c"}}},"policies":{"c":` + documentFull + `,"b":` + documentB + `}}`
	d.want(d.send("PUT", "/v1/policies", body), 200, `{"policies":2,"schedules":1}`)
	d.want(d.send("GET", "/v1/policies/c", ""), 200, documentFull)
	d.wantProblem(d.send("GET", "/v1/policies/a", ""), "unknown-policy", "policy", `"a"`)
	d.want(d.send("GET", "/v1/schedules/hourly", ""), 200, `{"cron":"@hourly","timezone":"UTC","missed":"latest","reset":{"policy":"c"}}`)
	d.want(d.send("PUT", "/v1/policies", `{"policies":{},"schedules":{}}`), 200, `{"policies":0,"schedules":0}`)
	d.want(d.send("GET", "/v1/policies", ""), 200, `{"policies":{},"revisions":{}}`)
	d.want(d.send("GET", "/v1/schedules", ""), 200, `{"revisions":{},"schedules":{},"ticks":{}}`)
}

func TestImposeMistakes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, body, kind, field, detail string }{
		{"empty", ``, "malformed-body", "", `such as {"policies"`},
		{"nothing", `{}`, "malformed-body", "policies", "what is not in it is deleted"},
		{"no policies", `{"schedules":{}}`, "malformed-body", "policies", "what is not in it is deleted"},
		{"no schedules", `{"policies":{}}`, "malformed-body", "schedules", "what is not in it is deleted"},
		{"what GET gives", `{"policies":{},"revisions":{}}`, "malformed-body", "revisions", "one of policies and schedules"},
		{"a list", `{"policies":[],"schedules":{}}`, "malformed-body", "policies", "must be an object"},
		{"no document", `{"policies":{"a":"1/s"},"schedules":{}}`, "malformed-body", "policies.a", "it is a text; it must be an object"},
		{"twice", `{"policies":{"a":` + documentB + `,"a":` + documentB + `},"schedules":{}}`, "malformed-body", "policies.a", "given twice"},
		{"two bodies", `{"policies":{},"schedules":{}}{}`, "malformed-body", "", "another value follows"},
		{"truncated", `{"policies":{"a":`, "malformed-body", "", "ends before"},
		{"a limit", `{"policies":{"a":{"limits":{"second":"10/x"}}},"schedules":{}}`, "invalid-value", "policies.a.limits.second", "10/x"},
		{"a name", `{"policies":{"A B":` + documentB + `},"schedules":{}}`, "invalid-value", `policies."A B".name`, "a-z"},
		{"a schedule", `{"policies":{"a":` + documentB + `},"schedules":{"s":{"cron":"1 2","reset":{"policy":"a"}}}}`, "invalid-value", "schedules.s.cron", "2 fields"},
		{"both", `{"policies":{"a":{}},"schedules":{"s":{}}}`, "invalid-value", "policies.a.limits", "schedules.s.cron: "},
		{"no such policy", `{"policies":{"a":` + documentB + `},"schedules":{"s":{"cron":"@hourly","reset":{"policy":"b"}}}}`, "invalid-value", "schedules.s.reset.policy", `"b"`},
		{
			"no such limit", `{"policies":{"a":` + documentB + `},"schedules":{"s":{"cron":"@hourly","adjust":{"policy":"a","limit":"day","by":1}}}}`,
			"invalid-value", "schedules.s.adjust.limit", "15m",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := open(t, liveConfig)
			d.wantProblem(d.send("PUT", "/v1/policies", test.body), test.kind, test.field, test.detail)
			d.want(d.send("GET", "/v1/policies/a", ""), 200, documentA)
		})
	}
}

// The most overrides that a policy can have fit into a body.
func TestLargePolicy(t *testing.T) {
	t.Parallel()
	d := open(t, liveConfig)
	overrides := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"tenant-%d":{"limits":["%d/s"]}`, i, i+1)
		}
		return `{"limits":["1/s"],"overrides":{` + b.String()[1:] + `}}`
	}
	d.want(d.send("PUT", "/v1/policies/b", overrides(policy.MaxOverrides)), 200, "")
	d.wantProblem(d.send("PUT", "/v1/policies/b", overrides(policy.MaxOverrides+1)), "invalid-value", "overrides", "at most 10000")
	if got := d.remaining("b", "tenant-77"); got != 78 {
		t.Errorf("remaining = %d, want the 78 of the override", got)
	}
	d.wantProblem(d.send("PUT", "/v1/policies/b", overrides(40_000)), "body-too-large", "", "policies one by one")
}
