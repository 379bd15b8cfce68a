package httplimit_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/httplimit"
)

var (
	second = sluice.PerSecond(10).WithBurst(20)
	day    = sluice.PerDay(10_000)
)

// decide returns the decision of a policy whose limits say the outcomes.
func decide(limits []sluice.Limit, cost int64, outcomes ...sluice.Outcome) sluice.Decision {
	d := sluice.NewDecision(sluice.Request{Policy: &sluice.Policy{Name: "api", Limits: limits}, Cost: cost})
	for _, o := range outcomes {
		d.Add(o)
	}
	return d
}

func calendar(count int64, unit sluice.CalendarUnit) sluice.Limit {
	return sluice.PerCalendar(count, sluice.Calendar{Unit: unit, Zone: "Europe/Berlin"})
}

func room(remaining int64, reset time.Duration) sluice.Outcome {
	return sluice.Outcome{Allowed: true, Remaining: remaining, ResetAfter: reset}
}

func full(remaining int64, retry, reset time.Duration) sluice.Outcome {
	return sluice.Outcome{Remaining: remaining, RetryAfter: retry, ResetAfter: reset}
}

// bar returns the decision with a block that lasts for a time yet, until 2027 begins.
func bar(d sluice.Decision, left time.Duration) sluice.Decision {
	until := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	d.Bar(sluice.Block{Until: sluice.Tick(until.UnixMicro()), Reason: "abuse"}, left)
	return d
}

// shadowed returns the decision as that of a policy that lets everybody through.
func shadowed(d sluice.Decision) sluice.Decision {
	d.Allowed = true
	return d
}

func TestAddHeaders(t *testing.T) {
	t.Parallel()
	const tick = time.Microsecond
	both := []sluice.Limit{second, day}
	bothPolicy := `"second";q=10;w=1;sluice-burst=20, "day";q=10000;w=86400`
	one := func(l sluice.Limit) []sluice.Limit { return []sluice.Limit{l} }
	tests := []struct {
		name                 string
		d                    sluice.Decision
		policy, state, retry string
	}{
		{
			"allowed", decide(both, 1, room(19, 100*time.Millisecond), room(9999, 24*time.Hour)),
			bothPolicy, `"second";r=19;t=2, "day";r=9999;t=86400`, "",
		},
		{
			"refused by one", decide(both, 1, full(0, 100*time.Millisecond, 2*time.Second), room(9980, 24*time.Hour)),
			bothPolicy, `"second";r=0;t=1, "day";r=9980`, "1",
		},
		{
			"refused by both", decide(both, 3, full(2, time.Second+tick, 2*time.Second), full(1, 10*time.Second, 24*time.Hour)),
			bothPolicy, `"second";r=2;t=2, "day";r=1;t=10`, "10",
		},
		{
			"can never fit", decide(both, 50, full(20, sluice.Never, 0), room(9980, time.Hour)),
			bothPolicy, `"second";r=20;t=2, "day";r=9980;t=86228`, "",
		},

		{
			"a burst that is the count", decide(one(sluice.PerMinute(5).WithBurst(5)), 1, room(4, 12*time.Second)),
			`"minute";q=5;w=60`, `"minute";r=4;t=48`, "",
		},
		{
			"a name of its own", decide(one(day.WithName("daily-0.a_b")), 1, room(1, 9*time.Second)),
			`"daily-0.a_b";q=10000;w=86400`, `"daily-0.a_b";r=1;t=9`, "",
		},
		{
			"used up, to the second", decide(one(day), 1, room(0, 9*time.Second)),
			`"day";q=10000;w=86400`, `"day";r=0;t=9`, "",
		},
		{
			"used up, a tick over", decide(one(day), 1, room(0, 9*time.Second+tick)),
			`"day";q=10000;w=86400`, `"day";r=0;t=10`, "",
		},
		{
			"never used", decide(one(day), 0, room(10_000, 0)),
			`"day";q=10000;w=86400`, `"day";r=10000;t=86400`, "",
		},
		{
			"a period under a second", decide(one(sluice.Per(3, 200*time.Millisecond)), 1, room(2, 200*time.Millisecond)),
			`"200ms";q=3;w=1`, `"200ms";r=2;t=1`, "",
		},
		{
			"a period of broken seconds", decide(one(sluice.Per(3, 1500*time.Millisecond)), 1, room(2, 1500*time.Millisecond)),
			`"1500ms";q=3;w=2`, `"1500ms";r=2;t=2`, "",
		},
		{
			"the greatest numbers", decide(one(sluice.Per(1, sluice.MaxPeriod).WithBurst(sluice.MaxCount)), 1, room(sluice.MaxCount, sluice.MaxWait)),
			`"366d";q=1;w=31622400;sluice-burst=4294967295`, `"366d";r=4294967295;t=999999999999999`, "",
		},
		{
			"a calendar's window just begun", decide(one(calendar(10_000, sluice.Day)), 1, room(9999, 23*time.Hour)),
			`"day";q=10000`, `"day";r=9999;t=86392`, "",
		},
		{
			"a calendar's day of 25 hours", decide(one(calendar(10_000, sluice.Day)), 1, room(9999, 25*time.Hour)),
			`"day";q=10000`, `"day";r=9999;t=90000`, "",
		},
		{
			"a calendar's window about to end", decide(one(calendar(1000, sluice.Month)), 1, room(500, time.Second)),
			`"month";q=1000`, `"month";r=500;t=1339200`, "",
		},
		{
			"a calendar's window never used", decide(one(calendar(100, sluice.Year)), 0, room(100, 0)),
			`"year";q=100`, `"year";r=100;t=31622400`, "",
		},
		{
			"two calendars, refused by one", decide([]sluice.Limit{calendar(10, sluice.Hour), calendar(50, sluice.Week)}, 1,
				full(0, 90*time.Second, 90*time.Second), room(20, time.Hour)),
			`"hour";q=10, "week";q=50`, `"hour";r=0;t=90, "week";r=20`, "90",
		},
		{"a tick to wait", decide(one(day), 1, full(0, tick, tick)), `"day";q=10000;w=86400`, `"day";r=0;t=1`, "1"},
		{
			"the longest wait", decide(one(day), 1, full(0, sluice.MaxWait, sluice.MaxWait)),
			`"day";q=10000;w=86400`, `"day";r=0;t=9007199255`, "9007199255",
		},

		{
			"blocked, with room under the limits", bar(decide(both, 1, room(20, 0), room(9980, time.Hour)), 10*time.Minute+tick),
			bothPolicy, `"second";r=0;t=601, "day";r=0;t=601`, "601",
		},
		{
			"blocked for less than a limit refuses", bar(decide(both, 1, room(20, 0), full(0, time.Hour, 2*time.Hour)), 10*time.Minute),
			bothPolicy, `"second";r=0;t=3600, "day";r=0;t=3600`, "3600",
		},
		{
			"blocked, and can never fit", bar(decide(both, 50, full(20, sluice.Never, 0), room(9980, time.Hour)), 2*time.Hour),
			bothPolicy, `"second";r=0;t=7200, "day";r=0;t=7200`, "",
		},
		{
			"blocked, and let pass in the shadow", shadowed(bar(decide(one(day), 1, room(9980, time.Hour)), time.Minute)),
			`"day";q=10000;w=86400`, `"day";r=0;t=60`, "",
		},
		{"blocked before the limits spoke", bar(decide(one(day), 1), time.Minute), "", "", "60"},

		{"nobody knows, allowed", sluice.Decision{Allowed: true, Source: sluice.SourceErrorPolicy}, "", "", ""},
		{"nobody knows, refused", sluice.Decision{Source: sluice.SourceErrorPolicy}, "", "", ""},
		{"refused by no limit", sluice.Decision{RetryAfter: 5 * time.Second}, "", "", "5"},
		{"refused by no limit, at no time", sluice.Decision{}, "", "", "1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			want := http.Header{}
			for name, value := range map[string]string{"RateLimit-Policy": test.policy, "RateLimit": test.state, "Retry-After": test.retry} {
				if value != "" {
					want.Set(name, value)
				}
			}
			got := http.Header{}
			httplimit.AddHeaders(got, test.d)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAddHeadersAddsToThoseOfAnother(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	httplimit.AddHeaders(h, decide([]sluice.Limit{day.WithName("per-user")}, 1, room(0, time.Second)))
	httplimit.AddHeaders(h, decide([]sluice.Limit{day.WithName("per-address")}, 1, room(0, time.Second)))
	want := []string{`"per-user";r=0;t=1`, `"per-address";r=0;t=1`}
	if diff := cmp.Diff(want, h.Values("RateLimit")); diff != "" {
		t.Errorf("RateLimit (-want +got):\n%s", diff)
	}
}

// What is announced is never more per second than the policy is, as far as the greatest integer goes, never for a shorter
// time than the limit takes to be as new, and after a refusal never for longer than Retry-After.
func TestAddHeadersProperties(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	upTo := func(most int64) int64 { // often small, at times the greatest
		return 1 + random.Int64N(max(1, most>>random.IntN(40)))
	}
	for range 20_000 {
		limit := sluice.Per(upTo(sluice.MaxCount), time.Duration(upTo(366*86_400_000))*time.Millisecond).WithName("x")
		if random.IntN(2) == 0 {
			limit = limit.WithBurst(upTo(sluice.MaxCount))
		}
		if err := limit.Validate(); err != nil {
			t.Fatal(err)
		}
		outcome := sluice.Outcome{
			Allowed:    random.IntN(2) == 0,
			Remaining:  random.Int64N(limit.Capacity() + 1),
			ResetAfter: time.Duration(upTo(int64(sluice.MaxWait))),
		}
		if !outcome.Allowed {
			outcome.RetryAfter = min(outcome.ResetAfter, time.Duration(upTo(int64(sluice.MaxWait))))
		}
		h := http.Header{}
		httplimit.AddHeaders(h, decide([]sluice.Limit{limit}, 1, outcome))

		var q, w, r, window, retry int64
		if _, err := fmt.Sscanf(h.Get("RateLimit-Policy"), `"x";q=%d;w=%d`, &q, &w); err != nil {
			t.Fatalf("RateLimit-Policy %q: %v", h.Get("RateLimit-Policy"), err)
		}
		if _, err := fmt.Sscanf(h.Get("RateLimit"), `"x";r=%d;t=%d`, &r, &window); err != nil {
			t.Fatalf("RateLimit %q: %v", h.Get("RateLimit"), err)
		}
		if outcome.Allowed {
			if float64(window) < outcome.ResetAfter.Seconds() {
				t.Fatalf("%v, %+v: t=%d, want no less than what is left to the reset", limit, outcome, window)
			}
			if window != 999_999_999_999_999 && float64(r)/float64(window) > float64(q)/float64(w)*(1+1e-12) {
				t.Fatalf("%v, %+v: r/t of %q is more than q/w of %q", limit, outcome, h.Get("RateLimit"), h.Get("RateLimit-Policy"))
			}
			continue
		}
		if _, err := fmt.Sscanf(h.Get("Retry-After"), "%d", &retry); err != nil || retry < window || retry < 1 {
			t.Fatalf("%v, %+v: Retry-After %q, want at least 1 and t=%d", limit, outcome, h.Get("Retry-After"), window)
		}
		if wait := time.Duration(retry) * time.Second; wait < outcome.RetryAfter || wait >= outcome.RetryAfter+time.Second {
			t.Fatalf("%v, %+v: Retry-After %q, want it rounded up", limit, outcome, h.Get("Retry-After"))
		}
	}
}
