package schedule_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/schedule"
)

// sameLimit compares limits by what they say and their names, not by whether the name was given.
var sameLimit = cmp.Comparer(func(a, b sluice.Limit) bool { return a.Name() == b.Name() && a.String() == b.String() })

func TestDocument(t *testing.T) {
	t.Parallel()
	limits := []sluice.Limit{sluice.PerSecond(10).WithBurst(20), sluice.Per(5, 15*time.Minute).WithName("logins"), sluice.PerDay(9).WithAligned()}
	for _, test := range []struct {
		schedule schedule.Schedule
		want     string
	}{
		{
			legal(),
			`{"cron":"@daily","timezone":"UTC","missed":"latest","reset":{"policy":"api"}}`,
		},
		{
			schedule.Schedule{
				Name: "ramp-up", Cron: "@hourly", Timezone: "Europe/Berlin", Missed: schedule.All,
				Job: schedule.Job{Adjust: &schedule.Adjust{Policy: "api", Limit: "second", By: -1, Max: 50}},
			},
			`{"cron":"@hourly","timezone":"Europe/Berlin","missed":"all","adjust":{"policy":"api","limit":"second","by":-1,"max":50}}`,
		},
		{
			schedule.Schedule{
				Name: "ramp-up", Cron: "@every 90s",
				Job: schedule.Job{Adjust: &schedule.Adjust{Policy: "api", Limit: "second", By: 5, Min: 2, Max: 50}},
			},
			`{"cron":"@every 90s","timezone":"UTC","missed":"latest","adjust":{"policy":"api","limit":"second","by":5,"min":2,"max":50}}`,
		},
		{
			schedule.Schedule{
				Name: "night-rate", Cron: "0 22 * * *", Missed: schedule.Skip,
				Job: schedule.Job{Set: &schedule.Set{Policy: "api", Limits: limits}},
			},
			`{"cron":"0 22 * * *","timezone":"UTC","missed":"skip","set":{"policy":"api",` +
				`"limits":{"second":"10/s burst 20","logins":"5/15m","day":"9/day fixed-window aligned"}}}`,
		},
		{
			schedule.Schedule{
				Name: "party", Cron: "@weekly",
				Job: schedule.Job{Override: &schedule.Override{Policy: "api", Key: "<ä&\n>", Limits: limits[:1], For: 48 * time.Hour}},
			},
			`{"cron":"@weekly","timezone":"UTC","missed":"latest","override":{"policy":"api","key":"<ä&\n>",` +
				`"limits":{"second":"10/s burst 20"},"for":"2d"}}`,
		},
		{
			schedule.Schedule{
				Name: "party", Cron: "@weekly",
				Job: schedule.Job{Override: &schedule.Override{Policy: "api", Key: "k", Limits: limits[:1]}},
			},
			`{"cron":"@weekly","timezone":"UTC","missed":"latest","override":{"policy":"api","key":"k",` +
				`"limits":{"second":"10/s burst 20"}}}`,
		},
		{
			schedule.Schedule{
				Name: "curfew", Cron: "0 22 * * *",
				Job: schedule.Job{Block: &schedule.Block{Policy: "api", Key: "kid", For: 90 * time.Minute, Reason: "sleep"}},
			},
			`{"cron":"0 22 * * *","timezone":"UTC","missed":"latest","block":{"policy":"api","key":"kid","for":"90m","reason":"sleep"}}`,
		},
	} {
		got := test.schedule.Document()
		if string(got) != test.want {
			t.Errorf("Document of %s = %s, want %s", test.schedule.Name, got, test.want)
		}
		back, err := schedule.ParseDocument(test.schedule.Name, got)
		if err != nil {
			t.Errorf("ParseDocument(%s): %v", got, err)
			continue
		}
		want := test.schedule
		if want.Timezone == "" {
			want.Timezone = "UTC"
		}
		if diff := cmp.Diff(want, back, sameLimit); diff != "" {
			t.Errorf("ParseDocument(%s): (-want +got)\n%s", got, diff)
		}
	}
}

func TestParseDocument(t *testing.T) {
	t.Parallel()
	got, err := schedule.ParseDocument("night", []byte(` {
		"set": {"limits": ["10/s", "5/15m", "1000/day fixed-window"], "policy": "api"}, "cron": "0 22 * * *"
	} `))
	want := schedule.Schedule{
		Name: "night", Cron: "0 22 * * *",
		Job: schedule.Job{Set: &schedule.Set{Policy: "api", Limits: []sluice.Limit{
			sluice.PerSecond(10), sluice.Per(5, 15*time.Minute), sluice.PerDay(1000).WithAlgorithm(sluice.FixedWindow),
		}}},
	}
	if diff := cmp.Diff(want, got, sameLimit); err != nil || diff != "" {
		t.Errorf("ParseDocument: %v (-want +got)\n%s", err, diff)
	}
}

func TestParseDocumentErrors(t *testing.T) {
	t.Parallel()
	const reset = `"cron": "@daily", "reset": {"policy": "api"}`
	in := func(field string) string { return `{"cron": "@daily", ` + field + `}` }
	for document, want := range map[string][]string{
		``:                          {"document: it ends too early"},
		`{`:                         {"document: it ends too early"},
		`{"cron": `:                 {"document: it ends too early"},
		`{` + reset + `} {}`:        {"document: something follows its end"},
		"{\"cron\": \"\xff\"}":      {"document: it is not UTF-8"},
		strings.Repeat("[", 100000): {"document: more than 8 objects and lists lie in each other"},
		`[]`:                        {"document: it is a list; it must be an object"},
		`null`:                      {"document: it is null; it must be an object"},
		`{}`: {
			"cron: it is missing; " + cronForms,
			"job: there are 0; give exactly one of reset, set, adjust, override and block",
		},
		`{` + reset + `, "crom": "@daily"}`:         {"crom: there is no such field here; did you mean cron?"},
		`{` + reset + `, "seconds": 1}`:             {"seconds: there is no such field here; there are cron, timezone, missed, reset, set, adjust, override, block"},
		`{` + reset + `, "cron": "@daily"}`:         {"cron: it is there twice; take one of them out"},
		`{` + reset + `, "timezone": 1}`:            {"timezone: it is a number; it must be text"},
		`{` + reset + `, "missed": "never"}`:        {`missed: it is "never"; it must be latest, all or skip`},
		`{` + reset + `, "missed": null}`:           {"missed: it is null; it must be text"},
		`{"cron": false, "reset": {"policy": "a"}}`: {"cron: it is true or false; it must be text"},
		in(`"reset": "api"`):                        {"reset: it is text; it must be an object"},
		in(`"reset": {}`):                           {"reset.policy: it is missing; give the name of a policy"},
		in(`"reset": {"policy": "api", "key": 1}`):  {"reset.key: there is no such field here; there are policy"},
		in(`"adjust": {"policy": "api", "limit": "second", "by": "1", "min": 0, "max": 1.5}`): {
			"adjust.by: it is text; it must be a number",
			"adjust.min: it is 0; it must be 1 to 4294967295, or left out",
			"adjust.max: it is 1.5; it must be a whole number, at most 4294967295",
		},
		in(`"adjust": {"policy": "api", "limit": "second", "by": 1, "min": 9, "max": 5}`): {
			"adjust.min: it is 9, greater than max, which is 5; no count is within them",
		},
		in(`"set": {"policy": "api", "limits": {"a": "10/s", "B": "5/s", "c": 5, "d": "10/fortnight", "a": "1/s"}}`): {
			"set.limits.c: it is a number; it must be text",
			`set.limits.d: "10/fortnight": the period's unit "fortnight" is unknown; it must be one of ms, s (second), m (minute), h (hour), d (day), w (week)`,
			"set.limits.a: it is there twice; take one of them out",
			`set.limits.B: the name "B" is not a letter or digit followed by up to 62 of a-z, 0-9, '.', '_' and '-'`,
		},
		in(`"set": {"policy": "api", "limits": ["10/s", "5/s", true]}`): {
			"set.limits[2]: it is true or false; it must be text",
			`set.limits[1]: its name "second" is also that of limits[0]; a name must be unique in its policy: give one of them another`,
		},
		in(`"set": {"policy": "api", "limits": "10/s"}`): {
			`set.limits: it is text; it must be an object of names and limits, as in {"second": "10/s"}, or a list of limits`,
		},
		in(`"set": {"policy": "api", "limits": [1,2,3,4,5,6,7,8,9]}`):                                       {"set.limits: there are 9; at most 8 can be charged together"},
		in(`"block": {"policy": "api", "key": "k"}`):                                                        {"block.for: it is 0s; it must be 1ms to 366d"},
		in(`"block": {"policy": "api", "key": "k", "for": "soon"}`):                                         {`block.for: "soon" is no duration; write a number and ms, s, m, h or d, as in "100ms" or "1m30s"`},
		in(`"override": {"policy": "api", "key": "k", "limits": ["1/s"], "for": "0s"}`):                     {"override.for: it is 0s; it must be 1ms to 366d"},
		in(`"override": {"policy": "api", "key": "k", "limits": ["1/s"], "until": "2030-01-01T00:00:00Z"}`): {"override.until: there is no such field here; there are policy, key, limits, for"},
	} {
		got, err := schedule.ParseDocument("night", []byte(document))
		if diff := cmp.Diff(want, lines(t, err)); diff != "" {
			t.Errorf("ParseDocument(%.200s): (-want +got)\n%s", document, diff)
		}
		if diff := cmp.Diff(schedule.Schedule{}, got); diff != "" {
			t.Errorf("ParseDocument(%.200s) with faults gives a schedule: %s", document, diff)
		}
	}
}

func TestParseDocumentNoJSON(t *testing.T) {
	t.Parallel()
	for _, document := range []string{"{]", `{"cron" "x"}`, `{cron: "@daily"}`, `{"a":+1}`, "\x00"} {
		_, err := schedule.ParseDocument("night", []byte(document))
		if got := lines(t, err); len(got) != 1 || !strings.HasPrefix(got[0], "document: ") {
			t.Errorf("ParseDocument(%q) = %q, want one fault of the document", document, got)
		}
	}
}

func TestParseDocumentTellsSome(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&b, `,"x%d":1`, i)
	}
	_, err := schedule.ParseDocument("night", []byte(`{"cron":"@daily"`+b.String()+`}`))
	if n := len(lines(t, err)); n < 100 || n > 110 {
		t.Errorf("a document with 50000 faults tells %d, want about 100", n)
	}
}

func FuzzParseDocument(f *testing.F) {
	for _, seed := range []string{
		`{"cron":"@hourly","timezone":"UTC","missed":"latest","adjust":{"policy":"api","limit":"second","by":1,"max":50}}`,
		`{"cron":"0 22 * * *","set":{"policy":"api","limits":{"second":"10/s burst 20","a":"5/15m"}}}`,
		`{"cron":"*/5 1-4 1 jan-mar fri-sun","timezone":"Europe/Berlin","override":{"policy":"a","key":"k","limits":["1/s"],"for":"2d"}}`,
		`{"cron":"@every 90s","missed":"all","block":{"policy":"api","key":"kid","for":"1h30m","reason":"sleep"}}`,
		`{"reset":{"policy":"api"},"reset":{}}`, `{"a":[[[[[[[[[[`, `"\ud800"`, `{"\u0000":1e999}`, `{"set":{"limits":[1,2,3]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := schedule.ParseDocument("fuzz", data)
		if err != nil {
			for _, line := range lines(t, err) {
				if strings.ContainsAny(line, "\n\r\x00") || len(line) > 2000 {
					t.Errorf("fault %q is not one short line", line)
				}
			}
			return
		}
		c, err := s.Compile()
		if err != nil {
			t.Fatalf("Compile of %q: %v", data, err)
		}
		now := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)
		next := c.Next(now)
		if !next.After(now) {
			t.Errorf("%q: Next(%s) = %s", s.Cron, now, next)
		}
		if ticks, skipped := c.Due(now, next); len(ticks) != 1 || !ticks[0].Equal(next) || skipped != 0 {
			t.Errorf("%q: Due(%s, %s) = %s, %d", s.Cron, now, next, ticks, skipped)
		}
		document := s.Document()
		back, err := schedule.ParseDocument("fuzz", document)
		if err != nil || string(back.Document()) != string(document) {
			t.Errorf("ParseDocument(%s) = %s, %v", document, back.Document(), err)
		}
	})
}

func FuzzCron(f *testing.F) {
	for _, seed := range []string{"30 2 * * mon-fri", "*/5,7 0-22/2 1,31 feb 7", "@yearly", "@every 1d12h", "0 0 29 2 *", "* * * * 5-0", "1-/ , * ? L"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cron string) {
		s := legal()
		s.Cron = cron
		c, err := s.Compile()
		if err != nil {
			for _, line := range lines(t, err) {
				if strings.ContainsAny(line, "\n\r\x00") || len(line) > 1000 {
					t.Errorf("the fault of %q is not one short line: %q", cron, line)
				}
			}
			return
		}
		last := time.Date(2096, 2, 29, 12, 0, 0, 0, time.UTC) // eight years without its like follow
		for range 3 {
			next := c.Next(last)
			if !next.After(last) || next.Nanosecond() != 0 {
				t.Fatalf("%q: Next(%s) = %s", cron, last, next)
			}
			last = next
		}
	})
}
