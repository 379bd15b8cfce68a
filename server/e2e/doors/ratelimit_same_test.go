//go:build e2e

package doors

import (
	"testing"
	"time"

	rls "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/sluice-project/sluice/internal/redistest"
)

// TestSameAnswersAsUpstream asks Sluice and envoyproxy/ratelimit the same random questions about the same random files.
// Their answers are equal in all fields, but for what follows from a refused addend taking nothing, and that is reckoned
// for each.
func TestSameAnswersAsUpstream(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		env   []string // of envoyproxy/ratelimit
		envoy []string // the same for Sluice
	}{
		{"default", nil, nil},
		{"headers", []string{"LIMIT_RESPONSE_HEADERS_ENABLED=true"}, []string{"response_headers: true"}},
		{
			"named headers",
			[]string{"LIMIT_RESPONSE_HEADERS_ENABLED=true", "LIMIT_LIMIT_HEADER=x-limit", "LIMIT_REMAINING_HEADER=x-left", "LIMIT_RESET_HEADER=x-reset"},
			[]string{"response_headers: true", "limit_header: x-limit", "remaining_header: x-left", "reset_header: x-reset"},
		},
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			const requests = 2000
			w := newWorld(uint64(i), 12)
			dir := rateLimitFiles(t, w.files)
			redis := redistest.Start(t, redistest.Options{})
			upstream, ours := startUpstream(t, redis, dir, test.env...), startOurs(t, redis, dir, test.envoy...)
			m := newModel(w)
			for n := 0; n < requests; n++ {
				req := w.request()
				var theirs, got *rls.RateLimitResponse
				same := together(func() { theirs, got = upstream.must(t, req), ours.must(t, req) })
				want, err := m.expect(req, theirs, time.Now())
				if err != nil {
					t.Fatalf("request %d: %v: envoyproxy/ratelimit answers %v: %v", n, req, theirs, err)
				}
				if !same {
					continue // the times may differ by a second; of the counters the next ones tell
				}
				if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
					t.Fatalf("request %d: %v\nwith the files in %s, is answered (-want +got):\n%s", n, req, dir, diff)
				}
			}
			t.Logf("%d statuses with a limit, of which %d were over it; %d differ, and the code or headers of %d of %d answers",
				m.statuses, m.over, m.differ, m.headersOrCode, requests)
			if m.statuses < requests || m.over*3 < m.statuses || m.over*10 > m.statuses*9 {
				t.Errorf("of %d statuses %d are over the limit: that shows too little", m.statuses, m.over)
			}
			if m.differ*4 > m.statuses {
				t.Errorf("%d of %d statuses differ: that shows too little", m.differ, m.statuses)
			}
		})
	}
}
