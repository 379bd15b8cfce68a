package httpapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/server/httpapi"
)

const rampUp = `{"cron":"@hourly","timezone":"UTC","missed":"latest","adjust":{"policy":"api","limit":"day","by":1000,"max":20000}}`

func TestSchedules(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := open(t, apiConfig)
		d.want(d.send("GET", "/v1/schedules", ""), 200, `{"revisions":{},"schedules":{},"ticks":{}}`)
		time.Sleep(90 * time.Second)
		w := d.want(d.send("PUT", "/v1/schedules/ramp-up", `{"cron":"@hourly","adjust":{"policy":"api","limit":"day","by":1000,"max":20000}}`), 201, rampUp)
		tag := w.Header().Get("ETag")
		if got := d.tag("/v1/schedules/ramp-up"); got != tag {
			t.Errorf("ETag = %s, want that of the change, %s", got, tag)
		}
		d.want(d.send("GET", "/v1/schedules/ramp-up", ""), 200, rampUp)
		d.want(d.send("GET", "/v1/schedules/ramp-up", "", "If-None-Match: "+tag), 304, "")
		d.want(d.send("GET", "/v1/schedules", ""), 200, `{"revisions":{"ramp-up":`+tag+`},"schedules":{"ramp-up":`+rampUp+
			`},"ticks":{"ramp-up":{"last":"2000-01-01T00:01:30Z","next":"2000-01-01T01:00:00Z"}}}`)
		d.want(d.send("PUT", "/v1/schedules/ramp-up", rampUp, "If-Match: "+tag), 200, rampUp)
		p := d.wantProblem(d.send("PUT", "/v1/schedules/ramp-up", rampUp, "If-Match: "+tag), "revision-conflict", "", "the schedule")
		if now := d.tag("/v1/schedules/ramp-up"); now != `"`+p.CurrentRevision+`"` {
			t.Errorf("current_revision = %s, want %s", p.CurrentRevision, now)
		}
		d.wantProblem(d.send("PUT", "/v1/schedules/ramp-up", rampUp, "If-None-Match: *"), "revision-conflict", "", "at revision")
		d.wantProblem(d.send("DELETE", "/v1/schedules/ramp-up", "", "If-Match: "+tag), "revision-conflict", "", "at revision")
		d.wantProblem(d.send("PUT", "/v1/schedules/other", rampUp, "If-Match: *"), "revision-conflict", "", "there is no schedule")
		d.want(d.send("DELETE", "/v1/schedules/ramp-up", "", "If-Match: *"), 204, "")
		d.wantProblem(d.send("GET", "/v1/schedules/ramp-up", ""), "unknown-schedule", "schedule", "/v1/schedules")
		d.wantProblem(d.send("DELETE", "/v1/schedules/ramp-up", ""), "unknown-schedule", "schedule", `"ramp-up"`)
		d.wantProblem(d.send("POST", "/v1/schedules/ramp-up/run", ""), "unknown-schedule", "schedule", `"ramp-up"`)
		d.wantProblem(d.send("GET", "/v1/schedules/ramp-up/history", ""), "unknown-schedule", "schedule", `"ramp-up"`)
	})
}

func TestRunSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := open(t, apiConfig)
		d.want(d.send("PUT", "/v1/schedules/ramp-up", rampUp), 201, "")
		d.want(d.send("GET", "/v1/schedules/ramp-up/history", ""), 200, `{"history":[]}`)
		for i := range 3 {
			time.Sleep(time.Second)
			w := d.want(d.send("POST", "/v1/schedules/ramp-up/run", ""), 200, "")
			want := fmt.Sprintf(`"by":"operator","from":"%d/day","to":"%d/day"}`, 10_000+1000*i, 11_000+1000*i)
			if !strings.Contains(w.Body.String(), want) {
				t.Errorf("the run is answered %s, want %s", w.Body, want)
			}
		}
		line := func(second int) string {
			return fmt.Sprintf(`{"schedule":"ramp-up","at":"2000-01-01T00:00:0%dZ","by":"operator","from":"%d/day","to":"%d/day"}`, second, 9000+1000*second, 10_000+1000*second)
		}
		d.want(d.send("GET", "/v1/schedules/ramp-up/history", ""), 200, `{"history":[`+line(3)+`,`+line(2)+`,`+line(1)+`]}`)
		d.want(d.send("GET", "/v1/schedules/ramp-up/history?limit=2", ""), 200, `{"history":[`+line(3)+`,`+line(2)+`],"cursor":"1"}`)
		d.want(d.send("GET", "/v1/schedules/ramp-up/history?limit=2&cursor=1", ""), 200, `{"history":[`+line(1)+`]}`)
		d.want(d.send("DELETE", "/v1/schedules/ramp-up", ""), 204, "")
		d.want(d.send("GET", "/v1/schedules/ramp-up/history?limit=1", ""), 200, `{"history":[`+line(3)+`],"cursor":"2"}`) // it stays

		// One that can be done no more says so, and nothing is changed.
		d.want(d.send("PUT", "/v1/schedules/ramp-up", rampUp), 201, "")
		d.want(d.send("PUT", "/v1/policies/api", `{"limits":["1/h"]}`), 200, "")
		d.wantProblem(d.send("POST", "/v1/schedules/ramp-up/run", ""), "invalid-value", "adjust.limit", "hour")
	})
}

func TestScheduleMistakes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, target, body, kind, field, detail string }{
		{"empty", "s", ``, "malformed-body", "", `such as {"cron"`},
		{"a list", "s", `[]`, "malformed-body", "", "must be an object"},
		{"twice", "s", `{"cron":"@hourly","cron":"@daily"}`, "malformed-body", "cron", "given twice"},
		{"nothing", "s", `{}`, "invalid-value", "cron", "it is missing"},
		{"an impossible expression", "s", `{"cron":"0 0 31 2 *","reset":{"policy":"api"}}`, "invalid-value", "cron", "never comes"},
		{"an unknown zone", "s", `{"cron":"@daily","timezone":"Europe/Atlantis","reset":{"policy":"api"}}`, "invalid-value", "timezone", "Europe/Berlin"},
		{"no job", "s", `{"cron":"@daily"}`, "invalid-value", "job", "exactly one"},
		{"bounds", "s", `{"cron":"@daily","adjust":{"policy":"api","limit":"day","by":1,"min":9,"max":8}}`, "invalid-value", "adjust.min", "greater than max"},
		{"no such policy", "s", `{"cron":"@daily","reset":{"policy":"apo"}}`, "invalid-value", "reset.policy", `"apo"`},
		{"no such limit", "s", `{"cron":"@daily","adjust":{"policy":"api","limit":"hour","by":1}}`, "invalid-value", "adjust.limit", "second"},
		{"unknown field", "s", `{"cron":"@daily","reset":{"policy":"api"},"zone":"UTC"}`, "invalid-value", "zone", "timezone"},
		{"a name", "S", `{"cron":"@daily","reset":{"policy":"api"}}`, "invalid-value", "name", "a-z"},
		{"a weak tag", "s", `{"cron":"@daily","reset":{"policy":"api"}}`, "invalid-value", "If-Match", "weak"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := open(t, apiConfig)
			var headers []string
			if test.field == "If-Match" {
				headers = []string{`If-Match: W/"17"`}
			}
			d.wantProblem(d.send("PUT", "/v1/schedules/"+test.target, test.body, headers...), test.kind, test.field, test.detail)
			d.want(d.send("GET", "/v1/schedules", ""), 200, `{"revisions":{},"schedules":{},"ticks":{}}`)
		})
	}
}

func TestAudit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := open(t, apiConfig)
		before := d.changes()
		if before == 0 {
			t.Fatal("the policies of the file are not in the audit log")
		}
		for _, call := range []struct{ method, target, body string }{
			{"PUT", "/v1/policies/once", `{"limits":["2/366d"]}`},
			{"PUT", "/v1/policies/once/key/block?key=a", `{"for_ms":60000,"reason":"r"}`},
			{"DELETE", "/v1/policies/once/key/block?key=a", ""},
			{"PUT", "/v1/policies/once/key/override?key_base64=_w", `{"limits":["9/h"]}`},
			{"DELETE", "/v1/policies/once/key/override?key_base64=_w", ""},
			{"DELETE", "/v1/policies/once/key?key=a", ""},
			{"POST", "/v1/policies/once/reset", ""},
			{"DELETE", "/v1/policies/once", ""},
		} {
			time.Sleep(time.Second)
			if w := d.send(call.method, call.target, call.body); w.Code > 204 {
				t.Fatalf("%s %s is answered %d %s", call.method, call.target, w.Code, w.Body)
			}
		}
		var got struct {
			Audit []struct {
				At                               time.Time
				Who, What, Policy, Key, From, To string
			}
			Cursor string
		}
		if err := json.Unmarshal(d.send("GET", fmt.Sprintf("/v1/audit?limit=%d", d.changes()-before), "").Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, a := range got.Audit {
			lines = append(lines, fmt.Sprintf("%s %s %s %s %s [%s]", a.At.Format("05"), a.Who, a.What, a.Policy, a.Key, a.To))
		}
		want := []string{
			"08 operator delete once  []", "07 operator reset once  []", "06 operator reset once a []",
			`05 operator remove override once "\xff" []`, `04 operator override once "\xff" [hour: 9/hour]`,
			"03 operator unblock once a []", "02 operator block once a [until 2000-01-01T00:01:02Z, r]",
			`01 operator put once  [{"missing":"refuse","limits":{"366d":"2/366d"},"on_error":"allow","shadow":false,"deny_cache":false}]`,
		}
		if strings.Join(lines, "\n") != strings.Join(want, "\n") || got.Cursor == "" {
			t.Errorf("the audit log says\n%s\nwant\n%s\nand a cursor", strings.Join(lines, "\n"), strings.Join(want, "\n"))
		}
		var older struct{ Audit []json.RawMessage }
		if err := json.Unmarshal(d.send("GET", "/v1/audit?cursor="+got.Cursor, "").Body.Bytes(), &older); err != nil || len(older.Audit) != before {
			t.Errorf("behind the cursor are %d lines (%v), want the %d of the file", len(older.Audit), err, before)
		}
	})
}

// Each call of administration says how long what is live is kept.
func TestPersistence(t *testing.T) {
	t.Parallel()
	d := open(t, apiConfig)
	for want, persistent := range map[string]bool{"process": false, "store": true} {
		d.api.Configure(httpapi.Options{Persistent: persistent})
		for _, call := range []struct{ method, target, body string }{
			{"GET", "/v1/policies", ""},
			{"GET", "/v1/schedules", ""},
			{"GET", "/v1/audit", ""},
			{"GET", "/v1/blocks?policy=api", ""},
			{"PUT", "/v1/policies/api", `{"limits":["1/s"]}`},
			{"PUT", "/v1/policies/api/key/block?key=a", `{"for_ms":1}`},
			{"DELETE", "/v1/policies/api/key?key=a", ""},
		} {
			if got := d.send(call.method, call.target, call.body).Header().Get("Sluice-Persistence"); got != want {
				t.Errorf("Sluice-Persistence of %s %s = %q, want %q", call.method, call.target, got, want)
			}
		}
		for _, target := range []string{"/metrics", "/healthz", "/v1/authorize/api"} {
			if got := d.send("GET", target, "").Header().Values("Sluice-Persistence"); got != nil {
				t.Errorf("Sluice-Persistence of %s = %q, want none", target, got)
			}
		}
	}
}

// While the ledger or the store does not answer, looks at what is known go on and changes say what became of them.
func TestChangesWithoutStore(t *testing.T) {
	t.Parallel()
	changes := []struct {
		method, target, body string
		keys                 bool // whether it is about single keys
	}{
		{"PUT", "/v1/policies/api", `{"limits":["1/s"]}`, false},
		{"DELETE", "/v1/policies/api", "", false},
		{"POST", "/v1/policies/api/reset", "", false},
		{"PUT", "/v1/policies", `{"policies":{},"schedules":{}}`, false},
		{"PUT", "/v1/schedules/s", `{"cron":"@hourly","reset":{"policy":"api"}}`, false},
		{"DELETE", "/v1/schedules/s", "", false},
		{"POST", "/v1/schedules/s/run", "", false},
		{"GET", "/v1/schedules/s/history", "", false},
		{"GET", "/v1/audit", "", false},
		{"PUT", "/v1/policies/api/key/block?key=a", `{"for_ms":1}`, true},
		{"DELETE", "/v1/policies/api/key/block?key=a", "", true},
		{"PUT", "/v1/policies/api/key/override?key=a", `{"limits":["1/s"]}`, true},
		{"DELETE", "/v1/policies/api/key/override?key=a", "", true},
		{"DELETE", "/v1/policies/api/key?key=a", "", true},
		{"GET", "/v1/blocks?policy=api", "", true},
		{"GET", "/v1/overrides?policy=api", "", true},
	}
	for _, test := range []struct {
		err  error
		kind string
	}{
		{fmt.Errorf("redis: %w", sluice.ErrNotSent), "store-failed"},
		{fmt.Errorf("redis: %w", sluice.ErrUncertain), "store-uncertain"},
		{errors.New("READONLY"), "store-failed"},
	} {
		d := open(t, apiConfig)
		d.ledger.fail(test.err)
		broken := openTo(t, failing{test.err}, apiConfig)
		for _, c := range changes {
			on := d
			if c.keys {
				on = broken
			}
			p := on.wantProblem(on.send(c.method, c.target, c.body), test.kind, "", "again")
			if charged := strings.Contains(p.Detail, "nothing was charged") || strings.Contains(p.Detail, "may charge"); charged != (c.method == "GET") {
				t.Errorf("%s %s: %q, want it to speak of a charge only where one looks", c.method, c.target, p.Detail)
			}
		}
		for _, target := range []string{"/v1/policies", "/v1/policies/api", "/v1/schedules"} {
			d.want(d.send("GET", target, ""), 200, "")
		}
		// What was done to a key is done, although the log has no line of it.
		d.wantProblem(d.send("PUT", "/v1/policies/api/key/block?key=a", `{"for_ms":60000}`), test.kind, "", "it is done, but the audit log")
		if w := d.send("GET", "/v1/blocks?policy=api", ""); !strings.Contains(w.Body.String(), `"key":"a"`) {
			t.Errorf("the list of blocks is %s, want the key a", w.Body)
		}
	}
}
