package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/sluice-project/sluice/server/httpapi"
)

func TestBlock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := open(t, apiConfig)
		const alice = "/v1/policies/api/key/block?key=alice"
		const blocked = `"blocked":{"until":"2000-01-01T00:15:00Z","reason":"abuse"}`
		d.want(d.send("PUT", alice, `{"for_ms":900000,"reason":"abuse"}`), 200, "{"+blocked+"}")
		d.want(d.send("POST", "/v1/check", `{"policy":"api","key":"alice"}`), 200,
			`{"allowed":false,"policy":"api","key":"alice","cost":1,"remaining":0,"retry_after_ms":900000,"reset_after_ms":900000,`+
				`"limits":[{"name":"second","limit":"10/s burst 20","remaining":20,"reset_after_ms":0},`+
				`{"name":"day","limit":"10000/day","remaining":10000,"reset_after_ms":0}],"denied_by":[],"source":"store",`+blocked+`}`)
		for _, look := range []struct{ method, target, body string }{
			{"POST", "/v1/checks", `{"checks":[{"policy":"api","key":"alice"}]}`},
			{"GET", "/v1/policies/api/key?key=alice", ""},
		} {
			if w := d.send(look.method, look.target, look.body); !strings.Contains(w.Body.String(), blocked) {
				t.Errorf("%s %s is answered %s, want %s", look.method, look.target, w.Body, blocked)
			}
		}
		d.want(d.send("DELETE", "/v1/policies/api/key?key=alice", ""), 204, "")
		d.want(d.send("GET", "/v1/blocks?policy=api", ""), 200,
			`{"blocks":[{"key":"alice","until":"2000-01-01T00:15:00Z","reason":"abuse","penalty":false}]}`) // the reset left it

		// Another takes its place, to the microsecond and without a reason, and ends by itself.
		d.want(d.send("PUT", alice, `{"until":"2000-01-01T01:01:00.0000015+01:00"}`), 200, `{"blocked":{"until":"2000-01-01T00:01:00.000001Z","reason":""}}`)
		time.Sleep(time.Minute + time.Microsecond)
		d.want(d.send("GET", "/v1/blocks?policy=api", ""), 200, `{"blocks":[]}`)
		if got := d.remaining("api", "alice"); got != 20 {
			t.Errorf("remaining = %d after the block, want 20", got)
		}
		d.want(d.send("PUT", alice, `{"for_ms":1}`), 200, "")
		d.want(d.send("DELETE", alice, ""), 204, "")
		d.want(d.send("DELETE", alice, ""), 204, "") // nothing to end is no fault
		if got := d.remaining("api", "alice"); got != 20 {
			t.Errorf("remaining = %d after the block was ended, want 20", got)
		}
	})
}

func TestPenalty(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := open(t, "policies:\n  login: {limits: [1/h], block: {after: 3, within: 1m, for: 15m, max: 1h}}\n")
		look := func() (s httpapi.KeyState) {
			if err := json.Unmarshal(d.send("GET", "/v1/policies/login/key?key=mallory", "").Body.Bytes(), &s); err != nil {
				t.Fatal(err)
			}
			return s
		}
		for range 3 { // one is allowed
			d.send("POST", "/v1/check", `{"policy":"login","key":"mallory"}`)
		}
		if s := look(); s.Refusals != 2 || s.Blocked != nil || s.PastBlocks != 0 {
			t.Errorf("after two refusals the state is %+v, want them and no block", s)
		}
		w := d.send("POST", "/v1/check", `{"policy":"login","key":"mallory"}`)
		if want := `"blocked":{"until":"2000-01-01T00:15:00Z","reason":"penalty"}`; !strings.Contains(w.Body.String(), want) {
			t.Errorf("the third refusal is answered %s, want %s", w.Body, want)
		}
		if s := look(); s.Refusals != 0 || s.Blocked == nil || s.PastBlocks != 1 {
			t.Errorf("after the third refusal the state is %+v, want a block and one that is past", s)
		}
		d.want(d.send("GET", "/v1/blocks?policy=login", ""), 200,
			`{"blocks":[{"key":"mallory","until":"2000-01-01T00:15:00Z","reason":"penalty","penalty":true}]}`)
		d.want(d.send("DELETE", "/v1/policies/login/key/block?key=mallory", ""), 204, "")
		if s := look(); s.Blocked != nil || s.PastBlocks != 0 {
			t.Errorf("after the block was ended the state is %+v, want neither it nor its memory", s)
		}
	})
}

func TestOverride(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := open(t, apiConfig)
		const alice = "/v1/policies/api/key/override?key=alice"
		const override = `"override":{"limits":{"second":"100/s","a":"7/minute"},"until":"2000-01-02T00:00:00Z"}`
		d.want(d.send("PUT", alice, `{"limits":{"second":"100/s","a":"7/m"},"for_ms":86400000}`), 200, "{"+override+"}")
		d.want(d.send("GET", "/v1/policies/api/key?key=alice", ""), 200,
			`{"allowed":true,"policy":"api","key":"alice","cost":1,"remaining":7,"retry_after_ms":0,"reset_after_ms":0,`+
				`"limits":[{"name":"second","limit":"100/s","remaining":100,"reset_after_ms":0},{"name":"a","limit":"7/minute","remaining":7,"reset_after_ms":0}],`+
				`"denied_by":[],"source":"store",`+override+`}`)
		d.want(d.send("GET", "/v1/overrides?policy=api", ""), 200,
			`{"overrides":[{"key":"alice","limits":{"second":"100/s","a":"7/minute"},"until":"2000-01-02T00:00:00Z"}]}`)

		// What a client reads of it is what was set.
		var state httpapi.KeyState
		if err := jsonv2.Unmarshal(d.send("GET", "/v1/policies/api/key?key=alice", "").Body.Bytes(), &state); err != nil || len(state.Override.Limits) != 2 ||
			state.Override.Limits[1].Name() != "a" || state.Override.Limits[1].Count() != 7 {
			t.Errorf("the override reads as %+v (%v), want both limits in their order", state.Override, err)
		}

		d.want(d.send("PUT", alice, `{"limits":["3/h"]}`), 200, `{"override":{"limits":{"hour":"3/hour"}}}`) // for good
		time.Sleep(48 * time.Hour)
		if got := d.remaining("api", "alice"); got != 3 {
			t.Errorf("remaining = %d, want the 3 of an override for good", got)
		}
		d.want(d.send("PUT", alice, `{"limits":["3/h"],"until":"2000-01-03T00:00:01Z"}`), 200, "")
		time.Sleep(time.Second)
		if got := d.remaining("api", "alice"); got != 20 {
			t.Errorf("remaining = %d, want the 20 of the policy after the override", got)
		}
		d.want(d.send("PUT", alice, `{"limits":["3/h"]}`), 200, "")
		d.want(d.send("DELETE", alice, ""), 204, "")
		d.want(d.send("DELETE", alice, ""), 204, "")
		d.want(d.send("GET", "/v1/overrides?policy=api", ""), 200, `{"overrides":[]}`)
	})
}

func TestStandingMistakes(t *testing.T) {
	t.Parallel()
	const span = "whole number of milliseconds from 1 to 31622400000"
	for _, test := range []struct{ name, target, body, kind, field, detail string }{
		{"empty", "block?key=alice", ``, "malformed-body", "", `such as {"for_ms"`},
		{"no span", "block?key=alice", `{}`, "malformed-body", "for_ms", "it is missing"},
		{"no span but a reason", "block?key=alice", `{"reason":"r"}`, "malformed-body", "for_ms", "it is missing"},
		{"two spans", "block?key=alice", `{"for_ms":1,"until":"2100-01-01T00:00:00Z"}`, "malformed-body", "until", "leave out the other"},
		{"two spans otherwise", "block?key=alice", `{"until":"2100-01-01T00:00:00Z","for_ms":1}`, "malformed-body", "for_ms", "leave out the other"},
		{"twice", "block?key=alice", `{"for_ms":1,"for_ms":2}`, "malformed-body", "for_ms", "given twice"},
		{"unknown", "block?key=alice", `{"for":"15m"}`, "malformed-body", "for", "for_ms, until and reason"},
		{"0 ms", "block?key=alice", `{"for_ms":0}`, "invalid-value", "for_ms", span},
		{"-1 ms", "block?key=alice", `{"for_ms":-1}`, "invalid-value", "for_ms", span},
		{"half a millisecond", "block?key=alice", `{"for_ms":0.5}`, "invalid-value", "for_ms", span},
		{"367 days", "block?key=alice", `{"for_ms":31622400001}`, "invalid-value", "for_ms", span},
		{"2^60 ms", "block?key=alice", `{"for_ms":1152921504606846976}`, "invalid-value", "for_ms", span},
		{"a text", "block?key=alice", `{"for_ms":"15m"}`, "malformed-body", "for_ms", "it is a text"},
		{"no instant", "block?key=alice", `{"until":"tomorrow"}`, "invalid-value", "until", "write date, time and zone"},
		{"a number", "block?key=alice", `{"until":2100}`, "malformed-body", "until", "it must be a text"},
		{"in the past", "block?key=alice", `{"until":"2001-01-01T00:00:00Z"}`, "invalid-value", "until", "it has passed"},
		{"at the epoch", "block?key=alice", `{"until":"1970-01-01T00:00:00Z"}`, "invalid-value", "until", "it has passed"},
		{"before the epoch", "block?key=alice", `{"until":"0001-01-01T00:00:00Z"}`, "invalid-value", "until", "it has passed"},
		{"too far ahead", "block?key=alice", `{"until":"9999-12-31T23:59:59Z"}`, "invalid-value", "until", "after the year 2200"},
		{"a long reason", "block?key=alice", `{"for_ms":1,"reason":"` + strings.Repeat("r", 201) + `"}`, "invalid-value", "reason", "at most 200 bytes"},
		{"no UTF-8", "block?key=alice", "{\"for_ms\":1,\"reason\":\"\xff\"}", "malformed-body", "reason", "no Unicode"},
		{"two bodies", "block?key=alice", `{"for_ms":1}{}`, "malformed-body", "", "another value follows"},
		{"no key", "block", `{"for_ms":1}`, "invalid-value", "key", "it is missing"},
		{"empty key", "block?key=", `{"for_ms":1}`, "invalid-value", "key", "1 to 4096 bytes"},
		{"both keys", "block?key=alice&key_base64=YQ", `{"for_ms":1}`, "invalid-value", "key_base64", "beside key"},
		{"no Base64", "block?key_base64=*", `{"for_ms":1}`, "invalid-value", "key_base64", "Base64"},
		{"a cost", "block?key=alice&cost=1", `{"for_ms":1}`, "invalid-value", "cost", "no such parameter"},

		{"empty override", "override?key=alice", ``, "malformed-body", "", `such as {"limits"`},
		{"no limits", "override?key=alice", `{"for_ms":1}`, "malformed-body", "limits", "they are missing"},
		{"none of limits", "override?key=alice", `{"limits":{}}`, "invalid-value", "limits", "there is none"},
		{"none of a list", "override?key=alice", `{"limits":[]}`, "invalid-value", "limits", "there is none"},
		{"limits as a text", "override?key=alice", `{"limits":"5/s"}`, "malformed-body", "limits", "object of names and limits"},
		{"a limit", "override?key=alice", `{"limits":{"second":"5/x"}}`, "invalid-value", "limits.second", `"5/x"`},
		{"a limit of a list", "override?key=alice", `{"limits":["1/s","5/x"]}`, "invalid-value", "limits[1]", `"5/x"`},
		{"a limit that is a number", "override?key=alice", `{"limits":{"second":5}}`, "malformed-body", "limits.second", "it is a number"},
		{"the name of a limit", "override?key=alice", `{"limits":{"Second":"5/s"}}`, "invalid-value", "limits.Second", "Second"},
		{"two limits of one name", "override?key=alice", `{"limits":{"a":"5/s","a":"6/s"}}`, "malformed-body", "limits.a", "given twice"},
		{"two of one period", "override?key=alice", `{"limits":["5/s","6/s"]}`, "invalid-value", "limits[1]", "one limit for each period"},
		{"nine limits", "override?key=alice", `{"limits":{"a":"1/s","b":"1/s","c":"1/s","d":"1/s","e":"1/s","f":"1/s","g":"1/s","h":"1/s","i":"1/s"}}`, "invalid-value", "limits.i", "more than 8"},
		{"override in the past", "override?key=alice", `{"limits":["5/s"],"until":"2001-01-01T00:00:00Z"}`, "invalid-value", "until", "it has passed"},
		{"override until the epoch", "override?key=alice", `{"limits":["5/s"],"until":"1970-01-01T00:00:00Z"}`, "invalid-value", "until", "it has passed"},
		{"override for 0 ms", "override?key=alice", `{"limits":["5/s"],"for_ms":0}`, "invalid-value", "for_ms", span},
		{"a reason", "override?key=alice", `{"limits":["5/s"],"reason":"r"}`, "malformed-body", "reason", "limits, for_ms and until"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := open(t, apiConfig)
			before := d.changes()
			d.wantProblem(d.send("PUT", "/v1/policies/once/key/"+test.target, test.body), test.kind, test.field, test.detail)
			if got := d.changes(); got != before || d.remaining("once", "alice") != 1 {
				t.Errorf("there were %d changes, want none", got-before)
			}
		})
	}
}

func TestStandingOfUnknownPolicy(t *testing.T) {
	t.Parallel()
	d := open(t, apiConfig)
	for _, call := range []struct{ method, target, body string }{
		{"PUT", "/v1/policies/onse/key/block?key=a", `{"for_ms":1}`},
		{"DELETE", "/v1/policies/onse/key/block?key=a", ""},
		{"PUT", "/v1/policies/onse/key/override?key=a", `{"limits":["1/s"]}`},
		{"DELETE", "/v1/policies/onse/key/override?key=a", ""},
		{"DELETE", "/v1/policies/onse/key?key=a", ""},
		{"GET", "/v1/blocks?policy=onse", ""},
		{"GET", "/v1/overrides?policy=", ""},
	} {
		d.wantProblem(d.send(call.method, call.target, call.body), "unknown-policy", "policy", "no policy")
	}
}

// Every key that is barred or excepted is in one page of the lists, also one that is no UTF-8.
func TestLists(t *testing.T) {
	t.Parallel()
	d := open(t, apiConfig)
	want := map[string]bool{"\xff": true}
	for i := range 25 {
		want[fmt.Sprintf("key %d", i)] = true
	}
	for key := range want {
		query := "?key=" + url.QueryEscape(key)
		d.want(d.send("PUT", "/v1/policies/api/key/block"+query, `{"for_ms":3600000}`), 200, "")
		d.want(d.send("PUT", "/v1/policies/once/key/override"+query, `{"limits":["9/h"]}`), 200, "")
	}
	for _, target := range []string{"/v1/blocks?policy=api", "/v1/overrides?policy=once"} {
		for _, limit := range []string{"", "&limit=1000", "&limit=10", "&limit=1"} {
			got, cursor := map[string]bool{}, ""
			for pages := 1; pages == 1 || cursor != "" && pages < 100; pages++ {
				var page struct {
					Blocks, Overrides []struct {
						Key       string
						KeyBase64 []byte `json:"key_base64"`
					}
					Cursor string
				}
				from := ""
				if cursor != "" {
					from = "&cursor=" + url.QueryEscape(cursor)
				}
				w := d.want(d.send("GET", target+limit+from, ""), 200, "")
				if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
					t.Fatal(err)
				}
				for _, e := range slices.Concat(page.Blocks, page.Overrides) {
					if key := e.Key + string(e.KeyBase64); got[key] {
						t.Errorf("%s%s: the key %q is there twice", target, limit, key)
					} else {
						got[key] = true
					}
				}
				cursor = page.Cursor
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s%s (-want +got):\n%s", target, limit, diff)
			}
		}
	}
	d.want(d.send("GET", "/v1/blocks?policy=once", ""), 200, `{"blocks":[]}`)
	d.want(d.send("GET", "/v1/overrides?policy=api", ""), 200, `{"overrides":[]}`)
}

func TestListMistakes(t *testing.T) {
	t.Parallel()
	d := open(t, apiConfig)
	for query, field := range map[string]string{
		"":                          "policy",
		"?policy=api&limit=0":       "limit",
		"?policy=api&limit=1001":    "limit",
		"?policy=api&limit=ten":     "limit",
		"?policy=api&limit=":        "limit",
		"?policy=api&cursor=":       "cursor",
		"?policy=api&cursor=*":      "cursor",
		"?policy=api&policy=once":   "policy",
		"?policy=api&key=a":         "key",
		"?policy=api&cursor=%zz":    "",
		"?policy=api&limit=1&Limit": "Limit",
	} {
		for _, target := range []string{"/v1/blocks", "/v1/overrides"} {
			d.wantProblem(d.send("GET", target+query, ""), "invalid-value", field, "")
		}
	}
	for _, query := range []string{"?limit=0", "?cursor=", "?cursor=x", "?cursor=-1"} {
		for _, target := range []string{"/v1/audit", "/v1/schedules/s/history"} {
			name, _, _ := strings.Cut(query[1:], "=")
			d.wantProblem(d.send("GET", target+query, ""), "invalid-value", name, "")
		}
	}
}
