//go:build e2e

package doors

import (
	"fmt"
	"strings"
	"testing"

	common "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rls "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sluice-project/sluice/internal/redistest"
)

// say returns the overall code of an answer, and of each descriptor the code and what remains; or the code of an error.
func say(r *rls.RateLimitResponse, err error) string {
	if err != nil {
		return status.Code(err).String()
	}
	words := []string{r.GetOverallCode().String()}
	for _, s := range r.GetStatuses() {
		word := s.GetCode().String()
		if s.GetCurrentLimit() == nil {
			word = "no limit"
		}
		words = append(words, fmt.Sprintf("%s %d", word, s.GetLimitRemaining()))
	}
	return strings.Join(words, ", ")
}

// TestWhereUpstreamIsWrong shows of the differences that docs/envoy.md lists what both servers do.
func TestWhereUpstreamIsWrong(t *testing.T) {
	t.Parallel()
	const five = "rate_limit: {unit: year, requests_per_unit: 5}"
	tests := []struct {
		name         string
		descriptors  string
		asks         []*common.RateLimitDescriptor
		theirs, ours []string
	}{
		{
			"a refused addend takes nothing", "[{key: user, " + five + "}]",
			[]*common.RateLimitDescriptor{hits(3, descriptor("user=a")), hits(4, descriptor("user=a")), hits(2, descriptor("user=a"))},
			[]string{"OK, OK 2", "OVER_LIMIT, OVER_LIMIT 0", "OVER_LIMIT, OVER_LIMIT 0"},
			[]string{"OK, OK 2", "OVER_LIMIT, OVER_LIMIT 0", "OK, OK 0"},
		},
		{
			"who looks is over the limit where nothing is left", "[{key: user, " + five + "}]",
			[]*common.RateLimitDescriptor{hits(5, descriptor("user=a")), hits(0, descriptor("user=a"))},
			[]string{"OK, OK 0", "OK, OK 0"},
			[]string{"OK, OK 0", "OVER_LIMIT, OVER_LIMIT 0"},
		},
		{
			"descriptors that read alike have counters of their own", "[{key: user, " + five + ", descriptors: [{key: ip, " + five + "}]}]",
			[]*common.RateLimitDescriptor{hits(4, descriptor("user=a_ip_1")), hits(4, descriptor("user=a", "ip=1"))},
			[]string{"OK, OK 1", "OVER_LIMIT, OVER_LIMIT 0"},
			[]string{"OK, OK 1", "OK, OK 1"},
		},
		{
			"a value that is a pattern is none of those that the pattern stands for",
			`[{key: file, value: "a*", share_threshold: true, ` + five + "}]",
			[]*common.RateLimitDescriptor{hits(4, descriptor("file=ab")), limited(5, typev3.RateLimitUnit_YEAR, hits(4, descriptor("file=a*")))},
			[]string{"OK, OK 1", "OVER_LIMIT, OVER_LIMIT 0"},
			[]string{"OK, OK 1", "OK, OK 1"},
		},
		{
			"the end of a key is not the beginning of a value", "[{key: a, value: b_c, " + five + "}]",
			[]*common.RateLimitDescriptor{descriptor("a_b=c")},
			[]string{"OK, OK 4"},
			[]string{"OK, no limit 0"},
		},
		{
			"no addend breaks a counter", "[{key: user, " + five + "}]",
			[]*common.RateLimitDescriptor{hits(1<<63-1, descriptor("user=a")), descriptor("user=a"), hits(1<<63, descriptor("user=b"))},
			[]string{"OVER_LIMIT, OVER_LIMIT 0", "Unknown", "Unknown"},
			[]string{"OVER_LIMIT, OVER_LIMIT 0", "OK, OK 4", "OVER_LIMIT, OVER_LIMIT 0"},
		},
		{ // the last one, because the process of upstream ends by it
			"no limit of a request ends the process", "[{key: user, " + five + "}]",
			[]*common.RateLimitDescriptor{limited(5, 99, descriptor("user=a")), descriptor("user=a")},
			[]string{codes.Unavailable.String(), codes.Unavailable.String()},
			[]string{codes.InvalidArgument.String(), "OK, OK 4"},
		},
	}
	files := map[string]string{}
	for i, test := range tests {
		files[fmt.Sprintf("%d.yaml", i)] = fmt.Sprintf("domain: d%d\ndescriptors: %s\n", i, test.descriptors)
	}
	dir := rateLimitFiles(t, files)
	redis := redistest.Start(t, redistest.Options{})
	upstream, ours := startUpstream(t, redis, dir), startOurs(t, redis, dir)
	for i, test := range tests {
		for n, d := range test.asks {
			req := rateLimitRequest(fmt.Sprintf("d%d", i), d)
			if got := say(upstream.ask(t, req)); got != test.theirs[n] {
				t.Errorf("%s: envoyproxy/ratelimit answers %v %q, want %q: take it out of the list, or say what it does now", test.name, d, got, test.theirs[n])
			}
			if got := say(ours.ask(t, req)); got != test.ours[n] {
				t.Errorf("%s: Sluice answers %v %q, want %q", test.name, d, got, test.ours[n])
			}
		}
	}
}

// limited gives a descriptor a limit of its own.
func limited(requests uint32, unit typev3.RateLimitUnit, d *common.RateLimitDescriptor) *common.RateLimitDescriptor {
	d.Limit = &common.RateLimitDescriptor_RateLimitOverride{RequestsPerUnit: requests, Unit: unit}
	return d
}
