package filesource

import (
	"errors"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/schedule"
)

// scheduleDraft is a schedule while it is read, with the values that its faults are about.
type scheduleDraft struct {
	schedule.Schedule
	values values
}

func readSchedules(r *reader, v value, f *File) {
	defaultSchedule := scheduleDraft{values: make(values)}
	defaults(r, scheduleSettings, &defaultSchedule)
	f.Schedules = []schedule.Schedule{}
	for name, field := range r.entries(v) {
		d := scheduleDraft{Schedule: defaultSchedule.Schedule, values: values{
			"name": {path: field.path, at: field.name},
			"job":  {path: field.path, at: field.name},
		}}
		d.Name = name
		fields(r, field, scheduleSettings, &d)
		if r.faulty[field.path] {
			continue // it is no mapping, or is there twice
		}
		d.values.report(r, field, d.Faults())
		d.lookAtJob(r, field)
		f.Schedules = append(f.Schedules, d.Schedule)
	}
}

// scheduleField returns the read function of a field that is one text.
func scheduleField[T any](name string, parse func(string) (T, error), into func(*schedule.Schedule) *T) func(*reader, value, *scheduleDraft) {
	return located(name, parse, func(d *scheduleDraft) *T { return into(&d.Schedule) }, func(d *scheduleDraft) values { return d.values })
}

// jobField is scheduleField for a field of a job that is there.
func jobField[T any](name string, parse func(string) (T, error), into func(*schedule.Job) *T) func(*reader, value, *scheduleDraft) {
	return scheduleField(name, parse, func(s *schedule.Schedule) *T { return into(&s.Job) })
}

// jobLimits returns the read function of the limits of a job.
func jobLimits(name string, into func(*schedule.Job) *[]sluice.Limit) func(*reader, value, *scheduleDraft) {
	return func(r *reader, v value, d *scheduleDraft) { *into(&d.Job) = limits(r, v, name, d.values) }
}

// readJob returns the read function of a job that has the settings.
func readJob[J any](kind string, settings []setting[scheduleDraft], into func(*schedule.Job) **J) func(*reader, value, *scheduleDraft) {
	return func(r *reader, v value, d *scheduleDraft) {
		*into(&d.Job) = new(J)
		d.values[kind] = v
		fields(r, v, settings, d)
	}
}

// lookAtJob says that the policy which a job is about must be in the file and fit it, once all policies are read.
func (d *scheduleDraft) lookAtJob(r *reader, field value) {
	name, about := d.Job.Policy(), d.values[d.Job.Kind()+".policy"]
	r.last = append(r.last, func(f *File) {
		if r.faulty["policies"] || r.faulty[about.path] || name == "" {
			return // there is another fault to mend first
		}
		names := make([]string, len(f.Policies))
		for i, p := range f.Policies {
			if names[i] = p.Name; p.Name != name {
				continue
			}
			if invalid := (*sluice.InvalidError)(nil); len(p.Limits) > 0 && errors.As(d.Job.Fits(p.Policy), &invalid) {
				d.values.report(r, field, []*sluice.InvalidError{invalid})
			}
			return
		}
		switch {
		case r.faulty[policy.JoinPath("policies", name)]:
		case len(names) == 0:
			r.fault(about.at, about.path, "there is no policy %q; there are none", name)
		default:
			r.fault(about.at, about.path, "there is no policy %q; %s", name, policy.Suggest(name, names))
		}
	})
}

func asText(text string) (string, error) { return text, nil }

func parseMissed(text string) (schedule.Missed, error) {
	missed, err := schedule.ParseMissed(text)
	return missed, bareProblem(err)
}
