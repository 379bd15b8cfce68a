package envoyrls_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sluice-project/sluice/server/envoyrls"
)

func TestHeaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newDoor(t, envoyrls.Options{Headers: envoyrls.Headers{Limit: "L", Remaining: "N", Reset: "R"}}, file(
			"{key: a, rate_limit: {unit: minute, requests_per_unit: 2}}", "{key: b, rate_limit: {unit: hour, requests_per_unit: 9}}",
			"{key: free, rate_limit: {unlimited: true}}",
		))
		for _, test := range []struct{ descriptors, want string }{
			{"a=", "L:2 N:1 R:60"},
			{"b=, a=", "L:2 N:0 R:60"},
			{"a=, b=", "L:2 N:0 R:60"}, // over
			{"b=", "L:9 N:6 R:3600"},
			{"free=", ""},
			{"other=", ""},
		} {
			response, err := a.door.ShouldRateLimit(t.Context(), request("d", strings.Split(test.descriptors, ", ")...))
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for _, h := range response.GetResponseHeadersToAdd() {
				all = append(all, h.GetKey()+":"+h.GetValue())
			}
			if got := strings.Join(all, " "); got != test.want {
				t.Errorf("%s is answered with the headers %q, want %q", test.descriptors, got, test.want)
			}
		}
	})
}

// TestDynamicMetadata asks twice, so that what was merged for one answer would show in the next.
func TestDynamicMetadata(t *testing.T) {
	t.Parallel()
	a := newDoor(t, envoyrls.Options{DynamicMetadata: true}, file(
		"{key: a, detailed_metric: true, rate_limit: {unit: day, requests_per_unit: 9}, metadata: {s: {name: one}, n: 1}}",
		"{key: b, value_to_metric: true, rate_limit: {unit: day, requests_per_unit: 9}, metadata: {s: {name: two, more: [yes]}, n: 2}}",
		"{key: c, rate_limit: {unit: day, requests_per_unit: 0}, metadata: {refused: true}}",
	))
	for _, test := range []struct{ descriptors, want string }{
		{"a=1, b=2 +3, c=", `{"domain":"d","descriptors":[{"entries":["a=1"]},{"entries":["b=2"],"hitsAddend":3},{"entries":["c="]}],` +
			`"hitsAddend":2,"metadata":{"s":{"name":"one","more":[true]},"n":1}}`},
		{"a=1", `{"domain":"d","descriptors":[{"entries":["a=1"]}],"hitsAddend":2,"metadata":{"s":{"name":"one"},"n":1}}`},
		{"c=", `{"domain":"d","descriptors":[{"entries":["c="]}],"hitsAddend":2}`},
	} {
		req := request("d", strings.Split(test.descriptors, ", ")...)
		req.HitsAddend = 2
		response, err := a.door.ShouldRateLimit(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		var want structpb.Struct
		if err := protojson.Unmarshal([]byte(test.want), &want); err != nil {
			t.Fatal(err)
		}
		if got := response.GetDynamicMetadata(); !proto.Equal(got, &want) {
			t.Errorf("%s is answered with\n%v, want\n%v", test.descriptors, got, &want)
		}
	}
	with, err := a.door.ShouldRateLimit(t.Context(), request("d", "x=y !5/HOUR"))
	if err != nil {
		t.Fatal(err)
	}
	limit := with.GetDynamicMetadata().GetFields()["descriptors"].GetListValue().GetValues()[0].GetStructValue().GetFields()["limit"].GetStringValue()
	if !strings.Contains(limit, "requests_per_unit:5") || !strings.Contains(limit, "unit:HOUR") {
		t.Errorf("a limit that a request brings is described as %q", limit)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	a := newDoor(t, envoyrls.Options{}, file("{key: k, rate_limit: {unit: year, requests_per_unit: 1}}"))
	for _, test := range []struct {
		body string
		want int
		code pb.RateLimitResponse_Code
	}{
		{`{"domain":"d","descriptors":[{"entries":[{"key":"k","value":"a"}]}]}`, http.StatusOK, pb.RateLimitResponse_OK},
		{`{"domain":"d","descriptors":[{"entries":[{"key":"k","value":"a"}]}]}`, http.StatusTooManyRequests, pb.RateLimitResponse_OVER_LIMIT},
		{`{"domain":"d","descriptors":[]}`, http.StatusBadRequest, 0},
		{`{"domain":"d","unknown":1}`, http.StatusBadRequest, 0},
		{`{`, http.StatusBadRequest, 0},
		{strings.Repeat(" ", 2<<20), http.StatusRequestEntityTooLarge, 0},
	} {
		w := httptest.NewRecorder()
		a.door.JSON(w, httptest.NewRequest(http.MethodPost, "/json", strings.NewReader(test.body)))
		var response pb.RateLimitResponse
		if test.code != 0 {
			if err := protojson.Unmarshal(w.Body.Bytes(), &response); err != nil || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%.80s is answered %s, %v", test.body, w.Body, err)
			}
		}
		if w.Code != test.want || response.GetOverallCode() != test.code {
			t.Errorf("%.80s is answered %d %s, want %d %s", test.body, w.Code, w.Body, test.want, test.code)
		}
	}
}

// TestMetrics counts hits as upstream counts them.
func TestMetrics(t *testing.T) {
	t.Parallel()
	rules := file(
		"{key: k, rate_limit: {unit: year, requests_per_unit: 10}}",
		"{key: dark, value: x, shadow_mode: true, rate_limit: {unit: year, requests_per_unit: 1}}",
		"{key: each, detailed_metric: true, rate_limit: {unit: year, requests_per_unit: 1}}",
	)
	a := newDoor(t, envoyrls.Options{}, rules)
	ask := func(descriptors ...string) {
		if _, err := a.door.ShouldRateLimit(t.Context(), request("d", descriptors...)); err != nil {
			t.Fatal(err)
		}
	}
	ask("k=a +7")
	a.apply(rules) // what was counted stays counted
	ask("k=a +2")
	ask("k=a +2")
	ask("k=a -1") // what is given back is no hit
	ask("dark=x", "dark=x")
	ask("each=one", "each=two", "z=y !1/YEAR")
	if _, err := a.door.ShouldRateLimit(t.Context(), request("nowhere", "k=a")); err != nil {
		t.Fatal(err)
	}
	want := `
# HELP sluice_envoy_hits_total Hits of a rule of Envoy's rate limit service. A hit is a unit of hits_addend.
# TYPE sluice_envoy_hits_total counter
sluice_envoy_hits_total{domain="",rule="~override"} 1
sluice_envoy_hits_total{domain="d",rule="dark_x"} 2
sluice_envoy_hits_total{domain="d",rule="each"} 0
sluice_envoy_hits_total{domain="d",rule="each_one"} 1
sluice_envoy_hits_total{domain="d",rule="each_two"} 1
sluice_envoy_hits_total{domain="d",rule="k"} 11
# HELP sluice_envoy_near_limit_total Hits that had room beyond near_limit_ratio of the limit.
# TYPE sluice_envoy_near_limit_total counter
sluice_envoy_near_limit_total{domain="",rule="~override"} 1
sluice_envoy_near_limit_total{domain="d",rule="dark_x"} 1
sluice_envoy_near_limit_total{domain="d",rule="each"} 0
sluice_envoy_near_limit_total{domain="d",rule="each_one"} 1
sluice_envoy_near_limit_total{domain="d",rule="each_two"} 1
sluice_envoy_near_limit_total{domain="d",rule="k"} 1
# HELP sluice_envoy_over_limit_total Hits that had no room.
# TYPE sluice_envoy_over_limit_total counter
sluice_envoy_over_limit_total{domain="",rule="~override"} 0
sluice_envoy_over_limit_total{domain="d",rule="dark_x"} 1
sluice_envoy_over_limit_total{domain="d",rule="each"} 0
sluice_envoy_over_limit_total{domain="d",rule="each_one"} 0
sluice_envoy_over_limit_total{domain="d",rule="each_two"} 0
sluice_envoy_over_limit_total{domain="d",rule="k"} 2
# HELP sluice_envoy_shadow_mode_total Hits that had no room and were let through, because of shadow_mode.
# TYPE sluice_envoy_shadow_mode_total counter
sluice_envoy_shadow_mode_total{domain="",rule="~override"} 0
sluice_envoy_shadow_mode_total{domain="d",rule="dark_x"} 1
sluice_envoy_shadow_mode_total{domain="d",rule="each"} 0
sluice_envoy_shadow_mode_total{domain="d",rule="each_one"} 0
sluice_envoy_shadow_mode_total{domain="d",rule="each_two"} 0
sluice_envoy_shadow_mode_total{domain="d",rule="k"} 0
# HELP sluice_envoy_within_limit_total Hits that had room.
# TYPE sluice_envoy_within_limit_total counter
sluice_envoy_within_limit_total{domain="",rule="~override"} 1
sluice_envoy_within_limit_total{domain="d",rule="dark_x"} 1
sluice_envoy_within_limit_total{domain="d",rule="each"} 0
sluice_envoy_within_limit_total{domain="d",rule="each_one"} 1
sluice_envoy_within_limit_total{domain="d",rule="each_two"} 1
sluice_envoy_within_limit_total{domain="d",rule="k"} 9
# HELP sluice_envoy_domain_not_found_total Requests for a domain that no file has.
# TYPE sluice_envoy_domain_not_found_total counter
sluice_envoy_domain_not_found_total 1
`
	if err := testutil.CollectAndCompare(a.door.Metrics(), strings.NewReader(want), "sluice_envoy_hits_total", "sluice_envoy_near_limit_total",
		"sluice_envoy_over_limit_total", "sluice_envoy_shadow_mode_total", "sluice_envoy_within_limit_total", "sluice_envoy_domain_not_found_total"); err != nil {
		t.Error(err)
	}
}

// TestMetricsAreBounded sends more values than there are series, and some that are no text.
func TestMetricsAreBounded(t *testing.T) {
	t.Parallel()
	a := newDoor(t, envoyrls.Options{}, file("{key: each, detailed_metric: true, rate_limit: {unit: year, requests_per_unit: 1}}"))
	value := func(i int) string { return strings.Repeat(string(rune('a'+i%26)), i/26+1) }
	for i := range 10_500 {
		text := "each=" + value(i)
		if i < 3 {
			text += "\xff" + strings.Repeat("é", 300)
		}
		if _, err := a.door.ShouldRateLimit(t.Context(), request("d", text)); err != nil {
			t.Fatal(err)
		}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(a.door.Metrics())
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if n := len(f.GetMetric()); f.GetName() == "sluice_envoy_hits_total" && (n < 1000 || n > 10_100) {
			t.Errorf("%s has %d series", f.GetName(), n)
		}
	}
}
