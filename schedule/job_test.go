package schedule_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/schedule"
)

func TestAdjust(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		limit  string
		adjust schedule.Adjust
		want   string
	}{
		{"10/s burst 20", schedule.Adjust{By: 1}, "11/s burst 20"},
		{"10/s burst 20", schedule.Adjust{By: 100}, "110/s burst 20"},
		{"10/s burst 20", schedule.Adjust{By: -3}, "7/s burst 20"},
		{"10/s burst 20", schedule.Adjust{By: -30}, "1/s burst 20"},
		{"10/15m", schedule.Adjust{By: 7, Max: 12}, "12/15m"},
		{"12/15m", schedule.Adjust{By: 7, Max: 12}, "12/15m"},
		{"80/15m", schedule.Adjust{By: 7, Max: 12}, "80/15m"}, // a step up never takes away
		{"10/day fixed-window aligned", schedule.Adjust{By: -1, Min: 9}, "9/day fixed-window aligned"},
		{"9/day sliding-counter", schedule.Adjust{By: -1, Min: 9}, "9/day sliding-counter"},
		{"3/day", schedule.Adjust{By: -1, Min: 9}, "3/day"},
		{"3/day", schedule.Adjust{By: 1, Min: 9}, "9/day"},
		{"4294967290/day", schedule.Adjust{By: 9}, "4294967295/day"},
		{"4294967295/day", schedule.Adjust{By: sluice.MaxCount}, "4294967295/day"},
		{"1/day", schedule.Adjust{By: -sluice.MaxCount}, "1/day"},
	} {
		limit, err := sluice.ParseLimit(test.limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{limit.Name(), "other"} {
			p := sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerMinute(5), limit.WithName(name)}, ResetAt: 7}
			if name == limit.Name() {
				p.Limits[1] = limit
			}
			before := p.Limits[1]
			test.adjust.Limit = name
			got, adjusted, err := test.adjust.Apply(p)
			if err != nil {
				t.Errorf("%+v applied to %s: %v", test.adjust, test.limit, err)
				continue
			}
			after := got.Limits[1]
			if after.String() != test.want || after.Name() != name || after.Algorithm() != before.Algorithm() {
				t.Errorf("%+v applied to %s gives %s named %q, want %s named %q", test.adjust, test.limit, after, after.Name(), test.want, name)
			}
			if adjusted.Old != before || adjusted.New != after || test.want == test.limit && after != before {
				t.Errorf("%+v applied to %s says %v, want %v to %v", test.adjust, test.limit, adjusted, before, after)
			}
			if p.Limits[1] != before || got.Limits[0] != p.Limits[0] || got.ResetAt != 7 || got.Name != "api" {
				t.Errorf("%+v applied to %s leaves %+v and gives %+v, want one limit of the result changed", test.adjust, test.limit, p, got)
			}
		}
	}
}

func TestAdjustUnknownLimit(t *testing.T) {
	t.Parallel()
	p := sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerSecond(5), sluice.PerDay(9)}}
	a := &schedule.Adjust{Policy: "api", Limit: "secnd", By: 1}
	const want = `adjust.limit: the policy api has no limit "secnd"; did you mean second?`
	_, adjusted, err := a.Apply(p)
	if err == nil || err.Error() != want || adjusted != (schedule.Adjusted{}) {
		t.Errorf("Apply = %v, %v, want %s", adjusted, err, want)
	}
	if err := (schedule.Job{Adjust: a}).Fits(p); err == nil || err.Error() != want {
		t.Errorf("Fits = %v, want %s", err, want)
	}
	a.Limit = "day"
	if err := (schedule.Job{Adjust: a}).Fits(p); err != nil {
		t.Errorf("Fits with a limit that there is = %v, want nil", err)
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	s := &schedule.Set{Policy: "api", Limits: []sluice.Limit{sluice.PerSecond(100)}}
	p := sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerSecond(5), sluice.PerDay(9)}, ResetAt: 7}
	got := s.Apply(p)
	if len(got.Limits) != 1 || got.Limits[0] != s.Limits[0] || got.ResetAt != 7 || len(p.Limits) != 2 {
		t.Errorf("Apply = %+v of %+v, want the limits replaced in the result alone", got, p)
	}
	got.Limits[0] = sluice.PerDay(1)
	if s.Limits[0] != sluice.PerSecond(100) {
		t.Error("the result of Apply shares its limits with the job")
	}
}

func TestJob(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		job  schedule.Job
		want [3]string
	}{
		{schedule.Job{}, [3]string{}},
		{schedule.Job{Reset: &schedule.Reset{Policy: "a"}}, [3]string{"reset", "a"}},
		{schedule.Job{Set: &schedule.Set{Policy: "b"}}, [3]string{"set", "b"}},
		{schedule.Job{Adjust: &schedule.Adjust{Policy: "c"}}, [3]string{"adjust", "c"}},
		{schedule.Job{Override: &schedule.Override{Policy: "d", Key: "k", For: time.Hour}}, [3]string{"override", "d", "k"}},
		{schedule.Job{Block: &schedule.Block{Policy: "e", Key: "l"}}, [3]string{"block", "e", "l"}},
	} {
		got := [3]string{test.job.Kind(), test.job.Policy(), test.job.Key()}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("kind, policy and key of %+v: (-want +got)\n%s", test.job, diff)
		}
		if err := test.job.Fits(sluice.Policy{Name: "c"}); (err != nil) != (test.job.Adjust != nil) {
			t.Errorf("Fits of %+v = %v", test.job, err)
		}
	}
}
