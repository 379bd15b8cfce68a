package grpclimit_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/grpclimit"
	"github.com/sluice-project/sluice/httplimit"
)

// Over both protocols a decision is told in the same words.
func TestSameAsHTTP(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := newLimiter(t, sluice.PerSecond(3).WithBurst(5), sluice.PerHour(6))
		check := func(key string, cost int64) sluice.Decision {
			d, err := limiter.Check(t.Context(), key, cost)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		violation := func(limit, description string, value int64) *errdetails.QuotaFailure_Violation {
			return &errdetails.QuotaFailure_Violation{Subject: "limit:" + limit, Description: description, QuotaId: limit, QuotaValue: value}
		}
		if err := limiter.Block(t.Context(), "barred", 90*time.Second, "Missbräuche"); err != nil {
			t.Fatal(err)
		}
		until := time.Now().Add(90 * time.Second).UTC().Format(time.RFC3339)
		tests := []struct {
			name       string
			d          sluice.Decision
			code       codes.Code
			retry      time.Duration // 0 for no RetryInfo
			violations []*errdetails.QuotaFailure_Violation
		}{
			{"allowed", check("k", 5), codes.OK, 0, nil},
			{
				"refused by one", check("k", 1), codes.ResourceExhausted, 333_334 * time.Microsecond,
				[]*errdetails.QuotaFailure_Violation{violation("second", "3/s burst 5 has no room for a cost of 1: 0 remaining", 5)},
			},
			{
				"refused by both", check("k", 2), codes.ResourceExhausted, time.Hour,
				[]*errdetails.QuotaFailure_Violation{
					violation("second", "3/s burst 5 has no room for a cost of 2: 0 remaining", 5), violation("hour", "6/hour has no room for a cost of 2: 1 remaining", 6),
				},
			},
			{
				"never", check("other", 7), codes.ResourceExhausted, 0,
				[]*errdetails.QuotaFailure_Violation{
					violation("second", "3/s burst 5 has no room for a cost of 7: 5 remaining", 5), violation("hour", "6/hour has no room for a cost of 7: 6 remaining", 6),
				},
			},
			{
				"blocked", check("barred", 1), codes.ResourceExhausted, 90 * time.Second,
				[]*errdetails.QuotaFailure_Violation{{Subject: "block", Description: "blocked until " + until + " (Missbräuche): try again in 90 s"}},
			},
			{"error policy", sluice.Decision{Source: sluice.SourceErrorPolicy}, codes.Unavailable, 0, nil},
		}
		for _, test := range tests {
			fields := http.Header{}
			httplimit.AddHeaders(fields, test.d)
			got := http.Header{}
			for name, values := range grpclimit.Metadata(test.d) {
				if name != strings.ToLower(name) {
					t.Errorf("%s: metadata %q, want lower case", test.name, name)
				}
				for _, v := range values {
					got.Add(name, v)
				}
			}
			if diff := cmp.Diff(fields, got); diff != "" {
				t.Errorf("%s: metadata (-HTTP +gRPC):\n%s", test.name, diff)
			}
			if test.code == codes.OK {
				continue
			}
			s := grpclimit.Refusal(test.d)
			if s.Code() != test.code || s.Message() != httplimit.Refusal(test.d).Detail {
				t.Errorf("%s: status %s %q, want %s %q", test.name, s.Code(), s.Message(), test.code, httplimit.Refusal(test.d).Detail)
			}
			want := []any{}
			if test.violations != nil {
				want = append(want, &errdetails.QuotaFailure{Violations: test.violations})
			}
			if test.retry > 0 {
				want = append(want, &errdetails.RetryInfo{RetryDelay: durationpb.New(test.retry)})
			}
			if diff := cmp.Diff(want, s.Details(), protocmp.Transform()); diff != "" {
				t.Errorf("%s: details (-want +got):\n%s", test.name, diff)
			}
			if _, err := proto.Marshal(s.Proto()); err != nil {
				t.Errorf("%s: no wire form: %v", test.name, err)
			}
		}
	})
}

func TestNothingToSay(t *testing.T) {
	t.Parallel()
	for _, d := range []sluice.Decision{{Allowed: true}, {Source: sluice.SourceErrorPolicy}} {
		if got := grpclimit.Metadata(d); !cmp.Equal(got, metadata.MD(nil)) {
			t.Errorf("Metadata(%v) = %v, want nil", d, got)
		}
	}
}
