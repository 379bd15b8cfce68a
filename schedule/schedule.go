// Package schedule says what changes limits by itself, and when: cron expressions with time zones, the jobs that they
// carry out, and which ticks of them are due.
//
// It is pure. It reads no clock, asks no store and carries out nothing: package control does, once for the whole fleet.
// It imports the core package, package policy and the standard library only. It loads time zones by
// [time.LoadLocation], so a program that is to know them wherever it runs imports time/tzdata.
//
// # When
//
// [Schedule].Cron is one of three:
//
//   - five fields: minute (0-59), hour (0-23), day of the month (1-31), month (1-12 or jan-dec) and day of the week
//     (0-7 or sun-sat; 0 and 7 are Sunday). A field is *, a value, a range such as 1-5, either of * and a range with a step
//     such as */15 or 8-18/2, or several of these separated by commas;
//   - @hourly, @daily or @midnight, @weekly (Sunday, 00:00), @monthly, or @yearly or @annually;
//   - @every and a duration, such as "@every 90s": 1s to 366d in whole seconds. It ticks at whole multiples of the
//     duration since the Unix epoch, so that all servers agree and no restart moves it. It knows no time zone.
//
// Where the day of the month and the day of the week are both restricted, a day that fits either of them will do. A
// field that allows every day restricts nothing. Every tick is a whole second.
//
// # When clocks are changed
//
// A schedule whose hour field allows every hour follows real time: it ticks whenever a clock in its zone shows a minute
// that fits. So @hourly and */15 * * * * go on evenly while the clock is put forward or back by whole hours. A time
// that no clock shows has no tick, and one that is shown twice has two.
//
// Any other schedule follows the calendar. Every date and time that fits has one tick: where the clock is put forward
// over it, at the first instant after the gap; where the clock shows it twice, at the first of them. So a job at 02:30
// happens once on every day. Times that come to the same instant, such as 02:15 and 02:30 in one gap, are one tick.
package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-project/sluice"
)

// Schedule is a job and the times at which it is carried out.
type Schedule struct {
	// Name is spelled like the name of a policy: a letter or digit, then up to 62 of a-z, 0-9, '.', '_' and '-'.
	Name string
	// Cron is when, as the package comment says.
	Cron string
	// Timezone is the name of an IANA time zone, such as "Europe/Berlin". The default is "UTC".
	Timezone string
	// Missed says what becomes of ticks at which no server was running. The default is [Latest].
	Missed Missed
	// Job is what is done at each tick.
	Job Job
}

// Missed says what becomes of ticks at which no server was running. The zero value is [Latest].
type Missed uint8

const (
	// Latest carries out the newest of the ticks that are due, however late it is.
	Latest Missed = iota
	// All carries out every tick that is due, the oldest first, but no more than the newest [MaxMissed].
	All
	// Skip carries out the newest of the ticks that are due, if it is at most [Grace] late.
	Skip
)

// MaxMissed is the greatest number of ticks that [All] makes up for at once.
const MaxMissed = 1000

// Grace is how late [Skip] carries out a tick: no server that runs is that late.
const Grace = time.Minute

var missedNames = [...]string{Latest: "latest", All: "all", Skip: "skip"}

// String returns "latest", "all" or "skip".
func (m Missed) String() string {
	if int(m) < len(missedNames) {
		return missedNames[m]
	}
	return fmt.Sprintf("Missed(%d)", uint8(m))
}

// ParseMissed reads "latest", "all" or "skip". The error is a [*sluice.InvalidError].
func ParseMissed(text string) (Missed, error) {
	for m, name := range missedNames {
		if text == name {
			return Missed(m), nil
		}
	}
	return 0, &sluice.InvalidError{Field: "missed", Problem: fmt.Sprintf("it is %.64q; it must be latest, all or skip", text)}
}

// Validate reports everything that is wrong with the schedule: the faults of [Schedule.Faults], joined by [errors.Join]
// where there are several; or nil.
func (s *Schedule) Validate() error {
	_, faults := s.compile()
	return join(faults)
}

// Faults returns everything that is wrong with the schedule. The field of each is a path within it, such as "name",
// "cron", "adjust.min" or "set.limits[1]"; "job" where it has no job or several.
func (s *Schedule) Faults() []*sluice.InvalidError {
	_, faults := s.compile()
	return faults
}

// Compile returns the schedule in the form that knows its ticks, or the error of [Schedule.Validate].
func (s *Schedule) Compile() (*Compiled, error) {
	c, faults := s.compile()
	if len(faults) > 0 {
		return nil, join(faults)
	}
	return c, nil
}

func (s *Schedule) compile() (*Compiled, []*sluice.InvalidError) {
	var faults []*sluice.InvalidError
	fault := func(field, problem string) {
		if problem != "" {
			faults = append(faults, &sluice.InvalidError{Field: field, Problem: problem})
		}
	}
	c := &Compiled{Schedule: *s}
	fault("name", nameProblem(s.Name))
	var problem string
	c.times, c.every, problem = parseCron(s.Cron)
	fault("cron", problem)
	c.zone, problem = loadZone(s.Timezone)
	if problem == "" && c.every != 0 && c.zone != time.UTC {
		problem = "@every counts from the Unix epoch, in no time zone; leave it out"
	}
	fault("timezone", problem)
	if int(s.Missed) >= len(missedNames) {
		fault("missed", fmt.Sprintf("it is %s; it must be latest, all or skip", s.Missed))
	}
	return c, append(faults, s.Job.faults()...)
}

// maxZoneBytes is the length of the longest name of a zone; the longest of the database has 32.
const maxZoneBytes = 64

// loadZone returns the time zone of a name. It takes no name that can mean another zone on another server.
func loadZone(name string) (zone *time.Location, problem string) {
	const remedy = `write the name of a zone of the IANA time zone database, such as "Europe/Berlin" or "UTC"`
	switch {
	case name == "" || name == "UTC":
		return time.UTC, ""
	case name == "Local" || name == "localtime" || name == "posixrules":
		return nil, fmt.Sprintf("%q is the zone of a machine, and each server may have another; %s", name, remedy)
	case len(name) <= maxZoneBytes && !strings.HasPrefix(name, "posix/") && !strings.HasPrefix(name, "right/"):
		zone, err := time.LoadLocation(name)
		if err == nil {
			return zone, ""
		}
		if _, err := time.LoadLocation("Etc/UTC"); err != nil {
			return nil, fmt.Sprintf("the zone %q cannot be read, because there is no time zone database here; "+
				"install tzdata, or import time/tzdata in the program", name)
		}
	}
	return nil, fmt.Sprintf("there is no time zone %.64q; %s", name, remedy)
}

// nameProblem says what is wrong with the name of a schedule or a policy; nothing where it is legal.
func nameProblem(name string) string {
	p := sluice.Policy{Name: name, Limits: []sluice.Limit{sluice.PerSecond(1)}}
	if err := p.Validate(); err == nil && !p.Inline() {
		return ""
	}
	return fmt.Sprintf("%.64q must be a letter or digit of a-z and 0-9, followed by up to 62 of a-z, 0-9, '.', '_' and '-'", name)
}

// invalidErrors takes apart the errors that the core package joins, and puts a prefix before their fields.
func invalidErrors(prefix string, err error) (faults []*sluice.InvalidError) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			faults = append(faults, invalidErrors(prefix, e)...)
		}
		return faults
	}
	if invalid := (*sluice.InvalidError)(nil); errors.As(err, &invalid) {
		faults = append(faults, &sluice.InvalidError{Field: prefix + invalid.Field, Problem: invalid.Problem})
	}
	return faults
}

// problemOf returns what an error says is wrong, without the field, for one that will stand behind a path.
func problemOf(err error) string {
	if invalid := (*sluice.InvalidError)(nil); errors.As(err, &invalid) {
		return invalid.Problem
	}
	return err.Error()
}

// join makes one error of faults; nil of none.
func join(faults []*sluice.InvalidError) error {
	if len(faults) == 1 {
		return faults[0]
	}
	errs := make([]error, len(faults))
	for i, f := range faults {
		errs[i] = f
	}
	return errors.Join(errs...)
}
