package httplimit_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/httplimit"
)

func TestRefusal(t *testing.T) {
	t.Parallel()
	both := []sluice.Limit{second, day}
	exceeded := func(detail string, limits ...string) httplimit.Problem {
		return httplimit.Problem{
			Type:             "https://iana.org/assignments/http-problem-types#quota-exceeded",
			Title:            "Request cannot be satisfied as assigned quota has been exceeded",
			Status:           429,
			Detail:           detail,
			ViolatedPolicies: limits,
		}
	}
	barred := func(detail string, limits ...string) httplimit.Problem {
		p := exceeded(detail, limits...)
		p.Type = "https://iana.org/assignments/http-problem-types#abnormal-usage-detected"
		p.Title = "Request not satisfied due to detection of abnormal request pattern"
		return p
	}
	nameless := decide(both, 1, room(1, 0), room(1, 0))
	nameless.Bar(sluice.Block{Until: 1_800_000_000_250_000}, time.Second)
	tests := []struct {
		name string
		d    sluice.Decision
		want httplimit.Problem
	}{
		{
			"one limit", decide(both, 1, full(0, 100*time.Millisecond, time.Second), room(1, time.Second)),
			exceeded("no room for a cost of 1 under second: try again in 1 s", "second"),
		},
		{
			"both limits", decide(both, 3, full(0, time.Second, time.Second), full(1, time.Hour+time.Microsecond, time.Hour)),
			exceeded("no room for a cost of 3 under second, day: try again in 3601 s", "second", "day"),
		},
		{
			"never under one", decide(both, 21, full(20, sluice.Never, 0), room(9980, time.Hour)),
			exceeded("a cost of 21 can never fit (second holds 20): ask for less at once", "second"),
		},
		{
			"never under one, not now under the other", decide(both, 21, full(20, sluice.Never, 0), full(5, time.Hour, time.Hour)),
			exceeded("a cost of 21 can never fit (second holds 20): ask for less at once", "second", "day"),
		},
		{
			"never under both", decide(both, 10_001, full(20, sluice.Never, 0), full(5, sluice.Never, time.Hour)),
			exceeded("a cost of 10001 can never fit (second holds 20, day holds 10000): ask for less at once", "second", "day"),
		},
		{
			"no limit",
			sluice.Decision{Cost: 1, RetryAfter: 90 * time.Second},
			exceeded("no room for a cost of 1: try again in 90 s"),
		},
		{
			"blocked", bar(decide(both, 1, room(1, 0), room(1, 0)), time.Minute+time.Microsecond),
			barred("blocked until 2027-01-01T00:00:00Z (abuse): try again in 61 s"),
		},
		{"blocked without a reason", nameless, barred("blocked until 2027-01-15T08:00:00.25Z: try again in 1 s")},
		{
			"blocked, and one limit", bar(decide(both, 1, room(1, 0), full(0, time.Hour, time.Hour)), time.Minute),
			barred("blocked until 2027-01-01T00:00:00Z (abuse): try again in 3600 s", "day"),
		},
		{
			"blocked, and never", bar(decide(both, 21, full(20, sluice.Never, 0), room(9980, time.Hour)), time.Minute),
			barred("blocked until 2027-01-01T00:00:00Z (abuse); and a cost of 21 can never fit (second holds 20): ask for less at once", "second"),
		},
		{"nobody knows", sluice.Decision{Source: sluice.SourceErrorPolicy}, httplimit.Problem{
			Type: "about:blank", Title: "Service Unavailable", Status: 503,
			Detail: "nobody can say now whether this request is within its limits, and it may not pass without that: try again later",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, httplimit.Refusal(test.d)); diff != "" {
				t.Errorf("problem (-want +got):\n%s", diff)
			}
		})
	}
}

func TestProblemWrite(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	w.Header().Set("Retry-After", "7")
	httplimit.Problem{Type: "about:blank", Title: "Forbidden", Status: http.StatusForbidden, Detail: "a\nb"}.Write(w)
	if w.Code != 403 {
		t.Errorf("status %d, want 403", w.Code)
	}
	want := http.Header{"Content-Type": {"application/problem+json"}, "Retry-After": {"7"}}
	if diff := cmp.Diff(want, w.Header()); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	const body = `{"type":"about:blank","title":"Forbidden","status":403,"detail":"a\nb"}` + "\n"
	if got := w.Body.String(); got != body {
		t.Errorf("body %q, want %q", got, body)
	}
}
