package schedule_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/schedule"
)

// legal returns a schedule without a fault.
func legal() schedule.Schedule {
	return schedule.Schedule{Name: "nightly", Cron: "@daily", Job: schedule.Job{Reset: &schedule.Reset{Policy: "api"}}}
}

// lines returns the faults that an error joins, one a line, and fails where one of them is no [*sluice.InvalidError].
func lines(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	faults := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		faults = joined.Unwrap()
	}
	var text []string
	for _, f := range faults {
		if invalid := (*sluice.InvalidError)(nil); !errors.As(f, &invalid) {
			t.Errorf("the fault %v is a %T, want a *sluice.InvalidError", f, f)
		}
		text = append(text, f.Error())
	}
	return text
}

const cronForms = `write five fields (minute, hour, day of the month, month, day of the week), as in "30 2 * * mon-fri", ` +
	`or @hourly, @daily, @weekly, @monthly, @yearly, or "@every 90s"`

func TestCronErrors(t *testing.T) {
	t.Parallel()
	for cron, want := range map[string]string{
		"":                     `it is missing; ` + cronForms,
		"  ":                   `it is missing; ` + cronForms,
		"* * * *":              `"* * * *" has 4 fields; ` + cronForms,
		"0 0 0 * * *":          `"0 0 0 * * *" has 6 fields; ` + cronForms + `; there is none for seconds`,
		"60 * * * *":           `the minute "60": 60 is out of range; it must be 0 to 59`,
		"0 24 * * *":           `the hour "24": 24 is out of range; it must be 0 to 23`,
		"0 0 0 * *":            `the day of the month "0": 0 is out of range; it must be 1 to 31`,
		"0 0 1 13 *":           `the month "13": 13 is out of range; it must be 1 to 12 or jan to dec`,
		"0 0 * * 8":            `the day of the week "8": 8 is out of range; it must be 0 to 7 or sun to sat`,
		"0 0 * * monday":       `the day of the week "monday": "monday" is no value; it must be 0 to 7 or sun to sat`,
		"0 0 ? * *":            `the day of the month "?": "?" is not known; write * for every value`,
		"0 0 L * *":            `the day of the month "L": "L" is no value; it must be 1 to 31`,
		"-1 * * * *":           `the minute "-1": a value is missing; it must be 0 to 59`,
		"1, * * * *":           `the minute "1,": a value is missing; it must be 0 to 59`,
		"+1 * * * *":           `the minute "+1": "+1" is no value; it must be 0 to 59`,
		"1-* * * * *":          `the minute "1-*": * stands alone, or before a step as in */5; it must be 0 to 59`,
		"0 22-2 * * *":         `the hour "22-2": "22-2" goes down; write 22-23,0-2`,
		"5/15 * * * *":         `the minute "5/15": "5/15" has a step without a range; write 5-59/15`,
		"*/90 * * * *":         `the minute "*/90": the step "90" must be 1 to 59; for longer spans there is @every, as in "@every 90m"`,
		"*/0 * * * *":          `the minute "*/0": the step "0" must be 1 to 59; for longer spans there is @every, as in "@every 90m"`,
		"*/ * * * *":           `the minute "*/": the step "" must be 1 to 59; for longer spans there is @every, as in "@every 90m"`,
		"0 0 30 2 *":           `"0 0 30 2 *" never comes: no month that it allows has a day 30; give another day or month`,
		"0 0 31 4,jun,9,11 *":  `"0 0 31 4,jun,9,11 *" never comes: no month that it allows has a day 31; give another day or month`,
		"@reboot":              `"@reboot" is not known; ` + cronForms,
		"@Daily":               `"@Daily" is not known; ` + cronForms,
		"@daily 5":             `"@daily 5" is not known; ` + cronForms,
		"TZ=UTC 0 0 * * *":     `"TZ=UTC" is no field; give the time zone in timezone`,
		"CRON_TZ=UTC @daily":   `"CRON_TZ=UTC" is no field; give the time zone in timezone`,
		"@every":               `@every needs one duration after it, as in "@every 90s"`,
		"@every 1 h":           `@every needs one duration after it, as in "@every 90s"`,
		"@every 0s":            `@every 0s is out of range; it must be 1s to 366d`,
		"@every 500ms":         `@every 500ms is out of range; it must be 1s to 366d`,
		"@every -5s":           `@every -5s is out of range; it must be 1s to 366d`,
		"@every 367d":          `@every 367d is out of range; it must be 1s to 366d`,
		"@every 1500ms":        `@every 1500ms is not whole; it must be whole seconds`,
		strings.Repeat("1", 9): `"111111111" has 1 fields; ` + cronForms,
		"* * * * " + strings.Repeat("1,", 600) + "1": `it has 1209 bytes; it must be at most 1000`,
	} {
		s := legal()
		s.Cron = cron
		if got := lines(t, s.Validate()); len(got) != 1 || got[0] != "cron: "+want {
			t.Errorf("Validate with cron %q = %q, want %q", cron, got, "cron: "+want)
		}
	}
}

func TestCronForms(t *testing.T) {
	t.Parallel()
	after := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC) // a Monday
	for cron, want := range map[string]string{
		" 30\t2  * * *  ":     "2026-06-16T02:30:00Z",
		"0 0 * JAN Mon":       "2027-01-04T00:00:00Z",
		"0 0 * * fri-sun":     "2026-06-19T00:00:00Z",
		"0 0 * * 7":           "2026-06-21T00:00:00Z",
		"0 0 * * 7-0":         "2026-06-21T00:00:00Z",
		"0 0 16 6 7-3":        "2026-06-16T00:00:00Z",
		"0 0 * * sat-7/1":     "2026-06-20T00:00:00Z",
		"0 0 1-31/15 * *":     "2026-06-16T00:00:00Z",
		"0 0 1-31 * wed":      "2026-06-17T00:00:00Z", // every day of the month restricts nothing
		"0 0 20 * 0-6":        "2026-06-20T00:00:00Z",
		"0 0 30 2 mon":        "2027-02-01T00:00:00Z", // either will do
		"59 23 31 dec *":      "2026-12-31T23:59:00Z",
		"00 012 * * *":        "2026-06-16T12:00:00Z",
		"10-20/5,50 12 * * *": "2026-06-15T12:10:00Z",
		"@annually":           "2027-01-01T00:00:00Z",
		"@midnight":           "2026-06-16T00:00:00Z",
		"@every 1d12h":        "2026-06-16T12:00:00Z",
		"@every 366d":         "2027-02-13T00:00:00Z",
	} {
		c := compile(t, cron, "", schedule.Latest)
		if got := c.Next(after).Format(time.RFC3339); got != want {
			t.Errorf("%q: Next(%s) = %s, want %s", cron, after, got, want)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	const zoneForms = `write the name of a zone of the IANA time zone database, such as "Europe/Berlin" or "UTC"`
	second := []sluice.Limit{sluice.PerSecond(1)}
	for _, test := range []struct {
		name   string
		change func(*schedule.Schedule)
		want   []string
	}{
		{"none", func(*schedule.Schedule) {}, nil},
		{"name", func(s *schedule.Schedule) { s.Name = "~a" }, []string{
			`name: "~a" must be a letter or digit of a-z and 0-9, followed by up to 62 of a-z, 0-9, '.', '_' and '-'`,
		}},
		{"zone", func(s *schedule.Schedule) { s.Timezone = "Europe/Berlim" }, []string{
			`timezone: there is no time zone "Europe/Berlim"; ` + zoneForms,
		}},
		{"zone of a machine", func(s *schedule.Schedule) { s.Timezone = "Local" }, []string{
			`timezone: "Local" is the zone of a machine, and each server may have another; ` + zoneForms,
		}},
		{"zone with leap seconds", func(s *schedule.Schedule) { s.Timezone = "right/Europe/Berlin" }, []string{
			`timezone: there is no time zone "right/Europe/Berlin"; ` + zoneForms,
		}},
		{"path for a zone", func(s *schedule.Schedule) { s.Timezone = "../../etc/passwd" }, []string{
			`timezone: there is no time zone "../../etc/passwd"; ` + zoneForms,
		}},
		{"every in a zone", func(s *schedule.Schedule) { s.Cron, s.Timezone = "@every 1h", "Europe/Berlin" }, []string{
			`timezone: @every counts from the Unix epoch, in no time zone; leave it out`,
		}},
		{"missed", func(s *schedule.Schedule) { s.Missed = 7 }, []string{
			`missed: it is Missed(7); it must be latest, all or skip`,
		}},
		{"no job", func(s *schedule.Schedule) { s.Job = schedule.Job{} }, []string{
			`job: there are 0; give exactly one of reset, set, adjust, override and block`,
		}},
		{"two jobs", func(s *schedule.Schedule) { s.Job.Set = &schedule.Set{Policy: "api", Limits: second} }, []string{
			`job: there are 2; give exactly one of reset, set, adjust, override and block`,
		}},
		{"reset", func(s *schedule.Schedule) { s.Job.Reset.Policy = "" }, []string{
			`reset.policy: it is missing; give the name of a policy`,
		}},
		{"set", func(s *schedule.Schedule) {
			s.Job = schedule.Job{Set: &schedule.Set{Policy: "A", Limits: []sluice.Limit{sluice.PerSecond(0), sluice.PerDay(1), sluice.PerDay(2)}}}
		}, []string{
			`set.policy: "A" must be a letter or digit of a-z and 0-9, followed by up to 62 of a-z, 0-9, '.', '_' and '-'`,
			`set.limits[0]: the count is 0; it must be 1 to 4294967295`,
			`set.limits[2]: its name "day" is also that of limits[1]; a name must be unique in its policy: give one of them another`,
		}},
		{"set nothing", func(s *schedule.Schedule) { s.Job = schedule.Job{Set: &schedule.Set{Policy: "api"}} }, []string{
			`set.limits: there is none; give at least one, such as "100/minute"`,
		}},
		{"adjust", func(s *schedule.Schedule) { s.Job = schedule.Job{Adjust: &schedule.Adjust{Min: -1, Max: 1 << 32}} }, []string{
			`adjust.policy: it is missing; give the name of a policy`,
			`adjust.limit: it is missing; give the name of a limit of the policy`,
			`adjust.by: it is 0, which moves nothing; give how far the count goes up, or down where it is negative`,
			`adjust.min: it is -1; it must be 1 to 4294967295, or left out`,
			`adjust.max: it is 4294967296; it must be 1 to 4294967295, or left out`,
		}},
		{"adjust past its bounds", func(s *schedule.Schedule) {
			s.Job = schedule.Job{Adjust: &schedule.Adjust{Policy: "api", Limit: "second", By: -1 << 32, Min: 51, Max: 50}}
		}, []string{
			`adjust.by: it is -4294967296; it must be -4294967295 to 4294967295`,
			`adjust.min: it is 51, greater than max, which is 50; no count is within them`,
		}},
		{"override", func(s *schedule.Schedule) {
			s.Job = schedule.Job{Override: &schedule.Override{Policy: "api", Key: "trial-*", Limits: second, For: -1}}
		}, []string{
			`override.key: "trial-*" is a pattern, and a schedule overrides one exact key; give a prefix among the policy's overrides`,
			`override.for: it is -1ns; it must be 1ms to 366d`,
		}},
		{"override nobody", func(s *schedule.Schedule) { s.Job = schedule.Job{Override: &schedule.Override{Policy: "api"}} }, []string{
			`override.key: it is empty; it must be 1 to 4096 bytes that say who is limited`,
			`override.limits: there is none; give at least one, such as "100/minute"`,
		}},
		{"block", func(s *schedule.Schedule) {
			s.Job = schedule.Job{Block: &schedule.Block{Policy: "api", Key: "\xff", Reason: strings.Repeat("x", 201)}}
		}, []string{
			`block.key: it is no UTF-8; a schedule can name only a key that is text`,
			`block.for: it is 0s; it must be 1ms to 366d`,
			`block.reason: it must be at most 200 bytes of UTF-8`,
		}},
		{"several", func(s *schedule.Schedule) { s.Name, s.Cron, s.Timezone = "", "0 0 30 2 *", "Mars/Olympus" }, []string{
			`name: "" must be a letter or digit of a-z and 0-9, followed by up to 62 of a-z, 0-9, '.', '_' and '-'`,
			`cron: "0 0 30 2 *" never comes: no month that it allows has a day 30; give another day or month`,
			`timezone: there is no time zone "Mars/Olympus"; ` + zoneForms,
		}},
	} {
		s := legal()
		test.change(&s)
		err := s.Validate()
		if diff := cmp.Diff(test.want, lines(t, err)); diff != "" {
			t.Errorf("%s: Validate: (-want +got)\n%s", test.name, diff)
		}
		if c, compileErr := s.Compile(); (compileErr == nil) != (err == nil) || (c == nil) != (err != nil) || len(s.Faults()) != len(test.want) {
			t.Errorf("%s: Compile = %v, %v with %d faults, want what Validate says: %v", test.name, c, compileErr, len(s.Faults()), err)
		}
	}
}
