//go:build e2e

package doors

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	rls "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/google/go-cmp/cmp"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/sluice-project/sluice/internal/processtest"
	"github.com/sluice-project/sluice/internal/redistest"
)

// TestEnvoyEnv changes the name of the program and nothing else: envoyproxy/ratelimit, and then sluice serve --envoy-env, are
// started by the same environment variables, one after the other, and asked the same at the same addresses.
func TestEnvoyEnv(t *testing.T) {
	t.Parallel()
	const rules = `
domain: d
descriptors:
  - key: user
    rate_limit: {unit: year, requests_per_unit: 3}
  - key: free
    rate_limit: {unlimited: true}
  - key: tried
    rate_limit: {unit: year, requests_per_unit: 0}
    shadow_mode: true
`
	tests := []struct {
		name string
		env  []string
	}{
		{"plain", nil},
		{"headers", []string{"LIMIT_RESPONSE_HEADERS_ENABLED=true", "LIMIT_RESET_HEADER=x-reset"}},
		{"shadow mode", []string{"SHADOW_MODE=true"}},
		{"local cache", []string{"LOCAL_CACHE_SIZE_IN_BYTES=1000000"}},
		{"prefix", []string{"CACHE_KEY_PREFIX=mine:", "NEAR_LIMIT_RATIO=0.5"}},
		{"merged domains", []string{"MERGE_DOMAIN_CONFIG=true"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"d.yaml": rules}
			if test.name == "merged domains" {
				files["more.yaml"] = "domain: d\ndescriptors:\n  - key: more\n    rate_limit: {unit: year, requests_per_unit: 1}\n"
			}
			dir := rateLimitFiles(t, files)
			redis := redistest.Start(t, redistest.Options{})
			httpAddr, grpcAddr, debugAddr := processtest.FreeAddr(t), processtest.FreeAddr(t), processtest.FreeAddr(t)
			env := append(upstreamEnv(redis, dir, httpAddr, grpcAddr, debugAddr), test.env...)

			var answers [2][]answer
			for i, cmd := range []*exec.Cmd{program(t, "ratelimit"), exec.Command(sluice, "serve", "--envoy-env")} {
				cmd.Env = env
				r := &rateLimiter{Process: processtest.Start(t, cmd), http: httpAddr, grpc: grpcAddr}
				r.connect(t)
				answers[i] = r.interview(t)
				r.Kill()
				forget(t, redis)
			}
			if diff := cmp.Diff(answers[0], answers[1], cmp.AllowUnexported(answer{}), protocmp.Transform()); diff != "" {
				t.Errorf("asked the same (-envoyproxy/ratelimit +Sluice):\n%s", diff)
			}
			if len(answers[0]) < 20 {
				t.Errorf("there are %d answers: that shows too little", len(answers[0]))
			}
		})
	}
}

// answer is what one question was answered, over gRPC or HTTP. Times are left out: one server is asked after the other.
type answer struct {
	question string
	response *rls.RateLimitResponse
	status   int
	kind     string // of the body
	text     string
}

// interview asks a server all that its callers may ask.
func (r *rateLimiter) interview(t testing.TB) (answers []answer) {
	t.Helper()
	for _, entry := range []string{"user=a", "user=a", "user=a", "user=a", "free=1", "tried=1", "nobody=1", "more=1", "more=1", "more=1"} {
		response, err := r.ask(t, rateLimitRequest("d", descriptor(entry)))
		text := ""
		if err != nil {
			text = err.Error()
		}
		answers = append(answers, answer{question: "gRPC " + entry, response: withoutTimes(response), text: text})
	}
	for _, req := range []*rls.RateLimitRequest{rateLimitRequest("", descriptor("user=a")), rateLimitRequest("d")} {
		_, err := r.ask(t, req)
		answers = append(answers, answer{question: "gRPC " + req.String(), text: fmt.Sprint(err)})
	}
	for _, body := range []string{
		`{"domain":"d","descriptors":[{"entries":[{"key":"user","value":"b"}]}]}`,
		`{"domain":"d","descriptors":[{"entries":[{"key":"user","value":"b"}]}],"hitsAddend":2}`,
		`{"domain":"d","descriptors":[{"entries":[{"key":"user","value":"b"}]},{"entries":[{"key":"free"}]}]}`,
		`{"domain":"d","descriptors":[]}`,
		`{"domain":"d","unknown":1}`,
		`not JSON`,
	} {
		got := from("127.0.0.1").ask(t, http.MethodPost, "http://"+r.http+"/json", body)
		a := answer{question: "POST /json " + body, status: got.status, kind: got.header.Get("Content-Type")}
		if strings.HasPrefix(a.kind, "application/json") {
			a.response = &rls.RateLimitResponse{}
			if err := protojson.Unmarshal([]byte(got.body), a.response); err != nil || !json.Valid([]byte(got.body)) {
				t.Errorf("POST /json is answered %s: %v", got.body, err)
			}
			withoutTimes(a.response)
		} else {
			a.kind, a.text = "", "" // upstream says in words which status it is, we what is wrong
		}
		answers = append(answers, a)
	}
	health := from("127.0.0.1").ask(t, http.MethodGet, "http://"+r.http+"/healthcheck", "")
	answers = append(answers, answer{question: "GET /healthcheck", status: health.status, text: health.body})
	for _, service := range []string{"ratelimit", "", "nobody"} {
		response, err := healthpb.NewHealthClient(r.conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		answers = append(answers, answer{question: "health of " + service, text: fmt.Sprint(response.GetStatus(), err)})
	}
	return answers
}

func withoutTimes(r *rls.RateLimitResponse) *rls.RateLimitResponse {
	for _, s := range r.GetStatuses() {
		s.DurationUntilReset = nil
	}
	for _, h := range r.GetResponseHeadersToAdd() {
		if strings.HasSuffix(strings.ToLower(h.Key), "reset") {
			h.Value = ""
		}
	}
	return r
}
