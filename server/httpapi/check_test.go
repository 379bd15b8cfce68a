package httpapi_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/server/httpapi"
	"github.com/sluice-project/sluice/store/memstore"
)

const apiConfig = `
policies:
  api: {limits: {second: 10/s burst 20, day: 10000/day}}
  once: {limits: [1/366d]}
  shadow: {limits: [1/h], shadow: true}
  closed: {limits: [1/h], on_error: deny}
`

func TestCheckAnswers(t *testing.T) {
	t.Parallel()
	const allowed = `{"allowed":true,"policy":"api","key":"alice","cost":1,"remaining":19,"retry_after_ms":0,"reset_after_ms":86400000,` +
		`"limits":[{"name":"second","limit":"10/s burst 20","remaining":19,"reset_after_ms":100},` +
		`{"name":"day","limit":"10000/day","remaining":9999,"reset_after_ms":86400000}],"denied_by":[],"source":"store"}`
	for _, test := range []struct{ name, body, want string }{
		{"allowed", `{"policy":"api","key":"alice"}`, allowed},
		{"never", `{"policy":"api","key":"bob","cost":21}`, `{"allowed":false,"policy":"api","key":"bob","cost":21,"remaining":20,` +
			`"retry_after_ms":null,"reset_after_ms":0,"limits":[{"name":"second","limit":"10/s burst 20","remaining":20,"reset_after_ms":0},` +
			`{"name":"day","limit":"10000/day","remaining":10000,"reset_after_ms":0}],"denied_by":["second"],"source":"store"}`},
		{"cost 0", `{"policy":"once","key":"carol","cost":0}`, `{"allowed":true,"policy":"once","key":"carol","cost":0,"remaining":1,` +
			`"retry_after_ms":0,"reset_after_ms":0,"limits":[{"name":"366d","limit":"1/366d","remaining":1,"reset_after_ms":0}],"denied_by":[],"source":"store"}`},
		{"own limits", `{"limits":["5/15m"],"key":"dave"}`, `{"allowed":true,"namespace":"default","key":"dave","cost":1,"remaining":4,` +
			`"retry_after_ms":0,"reset_after_ms":900000,"limits":[{"name":"15m","limit":"5/15m","remaining":4,"reset_after_ms":900000}],"denied_by":[],"source":"store"}`},
		{"no UTF-8", `{"policy":"once","key_base64":"_w"}`, `{"allowed":true,"policy":"once","key_base64":"/w==","cost":1,"remaining":0,` +
			`"retry_after_ms":0,"reset_after_ms":31622400000,"limits":[{"name":"366d","limit":"1/366d","remaining":0,"reset_after_ms":31622400000}],"denied_by":[],"source":"store"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := open(t, apiConfig).send("POST", "/v1/check", test.body)
			if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusOK || got != test.want {
				t.Errorf("answer %d %s\nwant 200 %s", w.Code, got, test.want)
			}
		})
	}
}

func TestShadow(t *testing.T) {
	t.Parallel()
	d := open(t, apiConfig)
	d.send("POST", "/v1/check", `{"policy":"shadow","key":"alice"}`)
	w := d.send("POST", "/v1/check", `{"policy":"shadow","key":"alice"}`)
	if got := w.Body.String(); !strings.Contains(got, `"allowed":true`) || !strings.Contains(got, `"shadow_denied":true`) ||
		!strings.Contains(got, `"denied_by":["hour"]`) {
		t.Errorf("second check of 1/h in the shadow = %s, want allowed, shadow_denied and denied_by hour", got)
	}
}

func TestStoreErrors(t *testing.T) {
	t.Parallel()
	notSent := failing{fmt.Errorf("redis: %w", sluice.ErrNotSent)}
	uncertain := failing{fmt.Errorf("redis: %w", sluice.ErrUncertain)}
	for _, test := range []struct {
		name   string
		store  sluice.Store
		method string
		target string
		body   string
		status int
		want   string // in the answer
	}{
		{"on_error allow", notSent, "POST", "/v1/check", `{"policy":"api","key":"a"}`, 200, `"allowed":true`},
		{"on_error deny", notSent, "POST", "/v1/check", `{"policy":"closed","key":"a"}`, 200, `"allowed":false`},
		{"says so", notSent, "POST", "/v1/check", `{"policy":"closed","key":"a"}`, 200, `"limits":[],"denied_by":[],"source":"error-policy"`},
		{"own limits", notSent, "POST", "/v1/check", `{"limits":["1/s"],"key":"a"}`, 503, "#store-failed"},
		{"own limits, uncertain", uncertain, "POST", "/v1/check", `{"limits":["1/s"],"key":"a"}`, 503, "#store-uncertain"},
		{"peek", notSent, "GET", "/v1/policies/api/key?key=a", "", 503, "#store-failed"},
		{"reset", notSent, "DELETE", "/v1/policies/api/key?key=a", "", 503, "#store-failed"},
		{"another error", failing{errors.New("READONLY")}, "GET", "/v1/policies/api/key?key=a", "", 503, "#store-failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := openTo(t, test.store, apiConfig).send(test.method, test.target, test.body)
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
				t.Errorf("answer %d %s, want %d with %s", w.Code, w.Body, test.status, test.want)
			}
		})
	}
}

// Each mistake has an error of its own, and nothing is charged.
func TestMistakes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, body  string
		kind, field string
		detail      string // a part of it
	}{
		{"empty body", ``, "malformed-body", "", "the body is empty"},
		{"blank body", " \n ", "malformed-body", "", "the body is empty"},
		{"no JSON", `policy=once&key=alice`, "malformed-body", "", "it is no JSON"},
		{"truncated", `{"policy":"once","key":"alice"`, "malformed-body", "", "ends before"},
		{"truncated text", `{"policy":"once","key":"alice`, "malformed-body", "", "ends before"},
		{"a list", `[{"policy":"once","key":"alice"}]`, "malformed-body", "", "it is a list; it must be an object"},
		{"trailing object", `{"policy":"once","key":"alice"}{"policy":"once","key":"alice"}`, "malformed-body", "", "another value follows"},
		{"trailing text", `{"policy":"once","key":"alice"} alice`, "malformed-body", "", "something follows"},
		{"trailing comma", `{"policy":"once","key":"alice",}`, "malformed-body", "", "it is no JSON"},
		{"byte order mark", "\ufeff" + `{"policy":"once","key":"alice"}`, "malformed-body", "", "it is no JSON"},
		{"UTF-16", "\xff\xfe{\x00", "malformed-body", "", "it is no JSON"},
		{"unknown field", `{"policy":"once","key":"alice","kost":1}`, "malformed-body", "kost", "one of policy, namespace, limits"},
		{"another case", `{"Policy":"once","key":"alice"}`, "malformed-body", "Policy", "no such field"},
		{"twice", `{"policy":"once","key":"alice","key":"bob"}`, "malformed-body", "key", "given twice"},
		{"twice, escaped", `{"policy":"once","key":"alice","k\u0065y":"bob"}`, "malformed-body", "key", "given twice"},
		{"no policy", `{"key":"alice"}`, "malformed-body", "policy", "it is missing"},
		{"no key", `{"policy":"once"}`, "malformed-body", "key", "it is missing"},
		{"both keys", `{"policy":"once","key":"alice","key_base64":"YWxpY2U="}`, "malformed-body", "key_base64", "beside key"},
		{"policy and limits", `{"policy":"once","limits":["1/s"],"key":"alice"}`, "malformed-body", "limits", "beside a policy"},
		{"policy and namespace", `{"policy":"once","namespace":"n","key":"alice"}`, "malformed-body", "namespace", "leave it out"},
		{"null", `{"policy":"once","key":null}`, "malformed-body", "key", "it is null; it must be a text"},
		{"number as key", `{"policy":"once","key":7}`, "malformed-body", "key", "it is a number; it must be a text"},
		{"text as cost", `{"policy":"once","key":"alice","cost":"1"}`, "malformed-body", "cost", "it is a text"},
		{"one limit as text", `{"limits":"1/s","key":"alice"}`, "malformed-body", "limits", "it must be a list"},
		{"deep", `{"policy":"once","key":` + strings.Repeat("[", 100_000), "malformed-body", "key", "it is a list"},
		{"deep list", `{"limits":` + strings.Repeat("[", 100_000), "malformed-body", "limits[0]", "it is a list"},
		{"invalid UTF-8", "{\"policy\":\"once\",\"key\":\"alice\xff\"}", "malformed-body", "key", "key_base64"},
		{"overlong UTF-8", "{\"policy\":\"once\",\"key\":\"\xc0\xaf\"}", "malformed-body", "key", "key_base64"},
		{"half a surrogate pair", `{"policy":"once","key":"\ud800"}`, "malformed-body", "key", "key_base64"},
		{"unescaped newline", "{\"policy\":\"once\",\"key\":\"a\nb\"}", "malformed-body", "key", "it is no JSON"},

		{"unknown policy", `{"policy":"onse","key":"alice"}`, "unknown-policy", "policy", `"onse"`},
		{"empty policy", `{"policy":"","key":"alice"}`, "unknown-policy", "policy", `""`},
		{"policy like a namespace", `{"policy":"~default","key":"alice"}`, "unknown-policy", "policy", `"~default"`},
		{"cost -1", `{"policy":"once","key":"alice","cost":-1}`, "invalid-value", "cost", "it is -1; it must be a whole number from 0 to 4294967295"},
		{"cost 1.5", `{"policy":"once","key":"alice","cost":1.5}`, "invalid-value", "cost", "it is 1.5; it must be a whole number from 0 to 4294967295"},
		{"cost 1.0", `{"policy":"once","key":"alice","cost":1.0}`, "invalid-value", "cost", "it is 1.0; it must be"},
		{"cost 1e3", `{"policy":"once","key":"alice","cost":1e3}`, "invalid-value", "cost", "it is 1e3; it must be"},
		{"cost 2^60", `{"policy":"once","key":"alice","cost":1152921504606846976}`, "invalid-value", "cost", "it is 1152921504606846976; it must be"},
		{"cost 2^64", `{"policy":"once","key":"alice","cost":18446744073709551617}`, "invalid-value", "cost", "it is 18446744073709551617; it must be"},
		{"cost 2^32", `{"policy":"once","key":"alice","cost":4294967296}`, "invalid-value", "cost", "it is 4294967296; it must be"},
		{"cost of a million digits", `{"policy":"once","key":"alice","cost":` + strings.Repeat("1", 1_000_000) + `}`, "invalid-value", "cost", "it must be a whole number"},
		{"empty key", `{"policy":"once","key":""}`, "invalid-value", "key", "it is empty; it must be 1 to 4096 bytes"},
		{"key of 4097 bytes", `{"policy":"once","key":"` + strings.Repeat("a", 4097) + `"}`, "invalid-value", "key", "it has 4097 bytes; it must be 1 to 4096"},
		{"no Base64", `{"policy":"once","key_base64":"a b"}`, "invalid-value", "key_base64", "it is not Base64"},
		{"limit", `{"limits":["1/s","10/fortnight"],"key":"alice"}`, "invalid-value", "limits[1]", `"10/fortnight": the period's unit "fortnight" is unknown`},
		{"no limits", `{"limits":[],"key":"alice"}`, "invalid-value", "limits", "there is none"},
		{"nine limits", `{"limits":["1/s","1/2s","1/3s","1/4s","1/5s","1/6s","1/7s","1/8s","1/9s"],"key":"alice"}`, "invalid-value", "limits[7]", "more than 8"},
		{"the same limit twice", `{"limits":["1/s","2/s"],"key":"alice"}`, "invalid-value", "limits[1]", "second"},
		{"namespace", `{"limits":["1/s"],"namespace":"A","key":"alice"}`, "invalid-value", "namespace", `"A" must be`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := open(t, apiConfig)
			w := d.send("POST", "/v1/check", test.body)
			p := d.problem(w)
			if kind(p) != test.kind || p.Field != test.field || !strings.Contains(p.Detail, test.detail) {
				t.Errorf("problem %s of field %q: %.300s\nwant %s of field %q with %q", kind(p), p.Field, p.Detail, test.kind, test.field, test.detail)
			}
			if w.Body.Len() > 1000 {
				t.Errorf("the answer has %d bytes; what the caller sent must not come back at length", w.Body.Len())
			}
			if got := d.remaining("once", "alice"); got != 1 {
				t.Errorf("remaining = %d after the mistake, want 1: nothing charged", got)
			}
		})
	}
}

func TestContentType(t *testing.T) {
	t.Parallel()
	for header, status := range map[string]int{
		"Accept: */*":                                           200,
		"Content-Type: application/json":                        200,
		"Content-Type: application/json; charset=utf-8":         200,
		"Content-Type: application/x-www-form-urlencoded":       200,
		"Content-Type: text/plain":                              415,
		"Content-Type: application/xml":                         415,
		"Content-Type: multipart/form-data; boundary=x":         415,
		"Content-Type: application/json; charset=utf-8; broken": 415,
	} {
		d := open(t, apiConfig)
		if got := d.send("POST", "/v1/check", `{"policy":"once","key":"alice"}`, header).Code; got != status {
			t.Errorf("a body with %s is answered %d, want %d", header, got, status)
		}
	}
	for _, header := range []string{"Content-Type: application/x-www-form-urlencoded", "Accept: */*"} {
		d := open(t, apiConfig)
		w := d.send("POST", "/v1/check", `{"policy":"once","key":"alice"}`, header, "Origin: http://page.example")
		if w.Code != 415 || kind(d.problem(w)) != "not-json" {
			t.Errorf("a body with %s from a page is answered %d, want 415", header, w.Code)
		}
	}
}

// endless is a body that never ends; read counts what was read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.read += len(p)
	return len(p), nil
}

func TestLargeBodyIsNotReadWhole(t *testing.T) {
	t.Parallel()
	for _, length := range []int64{-1, 10 << 20} {
		d := open(t, apiConfig)
		body := &endless{}
		r := httptest.NewRequest("POST", "/v1/check", io.NopCloser(body))
		r.ContentLength = length
		w := httptest.NewRecorder()
		d.handler.ServeHTTP(w, r)
		if p := d.problem(w); w.Code != 413 || kind(p) != "body-too-large" || !strings.Contains(p.Detail, "1048576 bytes") {
			t.Errorf("a body of length %d is answered %d %s, want 413 body-too-large", length, w.Code, w.Body)
		}
		if most := 1<<20 + 64<<10; body.read > most || length > 0 && body.read > 0 {
			t.Errorf("%d bytes were read of a body of length %d", body.read, length)
		}
	}
}

// Over a real connection the answer arrives although the client has not sent all.
func TestLargeBodyOverConnection(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(open(t, apiConfig).handler)
	defer server.Close()
	response, err := server.Client().Post(server.URL+"/v1/check", "application/json", io.LimitReader(&endless{}, 10<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != 413 {
		t.Errorf("10 MiB are answered %s, want 413", response.Status)
	}
}

// Keys that other products run together are distinct, however they are sent.
func TestKeysAreDistinct(t *testing.T) {
	t.Parallel()
	keys := []string{
		"a", "a\x00", "a\x00b", "a\n", "a\r\n", "{a}", "{a", "a}", "{}", "..", "../a", "a/b", "a//b", "a/./b", "a|b", `a\|b`, "a|", "|a", "a b", "a+b",
		"a%2Fb", "á", "a\u0301", "#a", "~a", "once", "\xff", "\xfe", "\xff\x00", strings.Repeat("a", 4096), strings.Repeat("a", 4095) + "b",
	}
	d := open(t, apiConfig)
	for i, key := range keys {
		body := map[string]string{"policy": "once", "key_base64": base64.StdEncoding.EncodeToString([]byte(key))}
		if i%2 == 0 && utf8.ValidString(key) {
			body = map[string]string{"policy": "once", "key": key}
		}
		content, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		for _, allowed := range []bool{true, false} {
			w := d.send("POST", "/v1/check", string(content))
			var got httpapi.Decision
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Allowed != allowed {
				t.Errorf("key %.20q: allowed = %v (%v), want %v: each key has one unit of its own", key, got.Allowed, err, allowed)
			}
			if got.Key+string(got.KeyBase64) != key {
				t.Errorf("key %.20q comes back as %.20q and %.20q", key, got.Key, got.KeyBase64)
			}
		}
	}
}

func TestChecks(t *testing.T) {
	t.Parallel()
	d := open(t, apiConfig)
	w := d.send("POST", "/v1/checks", `{"checks":[{"policy":"once","key":"a"},{"policy":"onse","key":"a"},{"policy":"once","key":"a"},
		{"policy":"once","key":"b","cost":-1},{"policy":"once","key":""},{"policy":"once","key":"b"}]}`)
	var got struct {
		Decisions []struct {
			Allowed *bool
			Key     string
			Error   *httpapi.Problem
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
		t.Fatalf("answer %d %s: %v", w.Code, w.Body, err)
	}
	var said []string
	for _, d := range got.Decisions {
		if d.Error != nil {
			said = append(said, fmt.Sprintf("%s %d %s", kind(*d.Error), d.Error.Status, d.Error.Field))
		} else {
			said = append(said, fmt.Sprintf("%s %t", d.Key, *d.Allowed))
		}
	}
	want := []string{"a true", "unknown-policy 404 policy", "a false", "invalid-value 400 cost", "invalid-value 400 key", "b true"}
	if fmt.Sprint(said) != fmt.Sprint(want) {
		t.Errorf("decisions = %q, want %q", said, want)
	}
	if got := d.send("POST", "/v1/checks", `{"checks":[]}`).Body.String(); got != `{"decisions":[]}`+"\n" {
		t.Errorf("no checks are answered %s, want no decisions", got)
	}
}

// counting counts how a store is asked.
type counting struct {
	sluice.Store
	single  atomic.Int64
	batches atomic.Int64
	largest atomic.Int64
}

func (c *counting) Check(ctx context.Context, req sluice.Request) (sluice.Decision, error) {
	c.single.Add(1)
	return c.Store.Check(ctx, req)
}

func (c *counting) CheckAll(ctx context.Context, reqs []sluice.Request) []sluice.Result {
	c.batches.Add(1)
	c.largest.Store(max(c.largest.Load(), int64(len(reqs))))
	return c.Store.CheckAll(ctx, reqs)
}

// However many checks a call brings, it asks the store once.
func TestChecksAskTheStoreOnce(t *testing.T) {
	t.Parallel()
	embedded, err := memstore.New(memstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 2, 1000} {
		store := &counting{Store: embedded}
		w := openTo(t, store, apiConfig).send("POST", "/v1/checks", checksBody("api", n))
		if got := strings.Count(w.Body.String(), `"allowed":true`); w.Code != 200 || got != n {
			t.Fatalf("%d checks are answered %d, %d of them allowed", n, w.Code, got)
		}
		if store.batches.Load() != 1 || store.largest.Load() != int64(n) || store.single.Load() != 0 {
			t.Errorf("%d checks in a call ask the store %d times for up to %d, and %d times for one, want once for all",
				n, store.batches.Load(), store.largest.Load(), store.single.Load())
		}
	}
}

// Long answers say how long they are, as short ones do over a connection, so that none is sent in chunks.
func TestLongAnswersHaveALength(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(open(t, apiConfig).handler)
	defer server.Close()
	for _, n := range []int{1, 100} {
		response, err := server.Client().Post(server.URL+"/v1/checks", "application/json", strings.NewReader(checksBody("api", n)))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || int64(len(body)) != response.ContentLength || !json.Valid(body) {
			t.Errorf("the answer to %d checks has %d bytes of JSON (%v) and says that it has %d", n, len(body), err, response.ContentLength)
		}
	}
}

// A check costs its caller's key, and what net/http makes of a request: the memory that it is read and answered in is
// used again. The race detector has one of four pieces thrown away, so that the bounds are not tight.
func TestCheckMakesNoGarbage(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // the collector empties pools
	c := newCall(open(t, apiConfig).handler, "/v1/check", `{"policy":"api","key":"alice"}`)
	if n := testing.AllocsPerRun(500, func() { c.send() }); n > 8 {
		t.Errorf("a check makes %v allocations, want 1", n)
	}
	many := newCall(open(t, apiConfig).handler, "/v1/checks", checksBody("api", 1000))
	many.send()
	if n := testing.AllocsPerRun(20, func() { many.send() }); n >= 2000 { // under the race detector pools forget
		t.Errorf("1000 checks make %v allocations, want one for each key and a few", n)
	}
}

// Calls that follow each other in the same memory, or go on at the same time, have nothing of each other.
func TestCallsShareNothing(t *testing.T) {
	t.Parallel()
	d := open(t, apiConfig)
	calls := []struct{ target, body string }{
		{"/v1/check", `{"policy":"once","key":"a-long-key-of-the-first-call","cost":0}`},
		{"/v1/check", `{"policy":"api","key":"b","cost":0}`},
		{"/v1/check", `{"policy":"api","key":"c","cost":21}`},
		{"/v1/check", `{"key":"d"}`},
		{"/v1/check", `{"policy":"once"}`},
		{"/v1/check", `{"key":"e","cost":0,"limits":["1/s"]}`},
		{"/v1/check", `{"policy":"once","key":"f`},
		{"/v1/check", ``},
		{"/v1/checks", `{"checks":[{"policy":"api","key":"g","cost":0},{"policy":"once","key":"h","cost":0}]}`},
		{"/v1/checks", `{"checks":[{"policy":"api","key":"i","cost":0},{"policy":"api"}]}`},
		{"/v1/checks", `{"checks":[]}`},
		{"/v1/checks", `{"checks":[{"policy":"onse","key":"j"}]}`},
	}
	answers := make([]string, len(calls))
	for i, c := range calls {
		answers[i] = d.send("POST", c.target, c.body).Body.String()
	}
	var group sync.WaitGroup
	for caller := range 8 {
		group.Go(func() {
			for n := range 300 {
				i := (n*7 + caller) % len(calls)
				if got := d.send("POST", calls[i].target, calls[i].body).Body.String(); got != answers[i] {
					t.Errorf("%s %s is answered %s\nand in between others %s", calls[i].target, calls[i].body, answers[i], got)
					return
				}
			}
		})
	}
	group.Wait()
}

func TestChecksMistakes(t *testing.T) {
	t.Parallel()
	one := `{"policy":"once","key":"alice"}`
	many := strings.Repeat(one+",", 999) + one
	d := open(t, apiConfig)
	if w := d.send("POST", "/v1/checks", `{"checks":[`+many+`]}`); w.Code != 200 || strings.Count(w.Body.String(), `"allowed":`) != 1000 {
		t.Errorf("1000 checks are answered %d, want 200 with 1000 decisions", w.Code)
	}
	for _, test := range []struct{ name, body, kind, field, detail string }{
		{"1001", `{"checks":[` + many + "," + one + `]}`, "invalid-value", "checks", "more than 1000"},
		{"missing", `{}`, "malformed-body", "checks", "it is missing"},
		{"no list", `{"checks":` + one + `}`, "malformed-body", "checks", "it must be a list"},
		{"one check", one, "malformed-body", "policy", "must be one of checks"},
		{"a fault in one", `{"checks":[` + one + `,{"policy":"once","key":"alice","cost":1.5}]}`, "invalid-value", "checks[1].cost", "it is 1.5"},
		{"key missing in one", `{"checks":[` + one + `,{"policy":"once"}]}`, "malformed-body", "checks[1].key", "it is missing"},
		{"own limits", `{"checks":[{"limits":["1/s"],"key":"alice"}]}`, "malformed-body", "checks[0].limits", "/v1/check"},
		{"invalid UTF-8", "{\"checks\":[{\"policy\":\"once\",\"key\":\"\xff\"}]}", "malformed-body", "checks[0].key", "key_base64"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := open(t, apiConfig)
			p := d.problem(d.send("POST", "/v1/checks", test.body))
			if kind(p) != test.kind || p.Field != test.field || !strings.Contains(p.Detail, test.detail) {
				t.Errorf("problem %s of field %q: %.300s\nwant %s of field %q with %q", kind(p), p.Field, p.Detail, test.kind, test.field, test.detail)
			}
			if got := d.remaining("once", "alice"); got != 1 {
				t.Errorf("remaining = %d after the mistake, want 1: nothing charged", got)
			}
		})
	}
}
