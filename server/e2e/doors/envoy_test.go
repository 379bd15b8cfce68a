//go:build e2e

package doors

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-project/sluice/internal/processtest"
	"github.com/sluice-project/sluice/internal/redistest"
)

// envoyConfig is a configuration of Envoy with a listener for each of several rate limit services, and one backend behind
// them all. Which descriptors a path asks about is what envoyproxy/ratelimit's example of an Envoy asks about, so that its
// example of rate limit files can be taken as it is.
var envoyConfig = template.Must(template.New("").Funcs(template.FuncMap{
	"socket": func(addr string) string {
		host, port, _ := strings.Cut(addr, ":")
		return fmt.Sprintf("{socket_address: {address: %s, port_value: %s}}", host, port)
	},
	"header": func(name string) string {
		return fmt.Sprintf("{request_headers: {header_name: %s, descriptor_key: %s}}", name, name)
	},
}).Parse(`
static_resources:
  listeners:
  {{- range $i, $door := .Doors}}
  - address: {{socket .Listen}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: door{{$i}}
          http_filters:
          - name: envoy.filters.http.ratelimit
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit
              domain: rl
              timeout: 10s
              failure_mode_deny: true
              enable_x_ratelimit_headers: DRAFT_VERSION_03
              rate_limit_service:
                transport_api_version: V3
                grpc_service: {envoy_grpc: {cluster_name: door{{$i}}}}
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              {{- range $.Routes}}
              - match: {prefix: {{.Prefix}}}
                route:
                  cluster: mock
                  rate_limits:
                  {{- range .Asks}}
                  - actions: [{{range $j, $name := .}}{{if $j}}, {{end}}{{if eq $name "clusters"}}{source_cluster: {}}, {destination_cluster: {}}{{else}}{{header $name}}{{end}}{{end}}]
                  {{- end}}
              {{- end}}
  {{- end}}
  clusters:
  - name: mock
    load_assignment:
      cluster_name: mock
      endpoints: [{lb_endpoints: [{endpoint: {address: {{socket .Backend}}}}]}]
  {{- range $i, $door := .Doors}}
  - name: door{{$i}}
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    load_assignment:
      cluster_name: door{{$i}}
      endpoints: [{lb_endpoints: [{endpoint: {address: {{socket .Service}}}}]}]
  {{- end}}
`))

// route is a path and what is asked about it: descriptors of headers, or of the clusters on both sides.
type route struct {
	Prefix string
	Asks   [][]string
}

// exampleRoutes are those of envoyproxy/ratelimit's example of an Envoy.
var exampleRoutes = []route{
	{"/test", [][]string{{"clusters"}}},
	{"/header", [][]string{{"foo"}}},
	{"/twoheader", [][]string{{"foo", "bar"}, {"foo", "baz"}}},
	{"/fourheader", [][]string{{"foo", "bar"}, {"source_cluster", "destination_cluster"}}},
	{"/fiveheader", [][]string{{"foo", "bar"}, {"source_cluster", "destination_cluster"}, {"category"}}},
	{"/unspec", [][]string{{"unspec"}}},
}

// exampleValues are what headers may say: the values of the example, and others.
var exampleValues = map[string][]string{
	"foo":                 {"", "pelle", "1", "2"},
	"bar":                 {"", "bkthomps", "banned", "other"},
	"baz":                 {"not-so-shady", "shady", "other"},
	"source_cluster":      {"proxy", "other"},
	"destination_cluster": {"bkthomps", "mock", "override", "fake", "other"},
	"category":            {"account", "other"},
	"unspec":              {"a", "b"},
}

// startEnvoy starts an Envoy with a listener for each of the services, and returns their addresses.
func startEnvoy(t testing.TB, b *backend, services ...string) (addrs []string) {
	t.Helper()
	type door struct{ Listen, Service string }
	var doors []door
	for _, service := range services {
		addrs = append(addrs, processtest.FreeAddr(t))
		doors = append(doors, door{addrs[len(addrs)-1], service})
	}
	var config bytes.Buffer
	err := envoyConfig.Execute(&config, map[string]any{"Doors": doors, "Routes": exampleRoutes, "Backend": b.addr})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "envoy.yaml")
	if err := os.WriteFile(file, config.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	// The name of its cluster is that of the source in the example.
	p := processtest.Start(t, program(t, "envoy", "-c", file, "--service-cluster", "proxy", "--service-node", "test",
		"--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"))
	for _, addr := range addrs {
		p.WaitListening(t, addr)
	}
	return addrs
}

// TestEnvoy has a real Envoy in front of a backend, limited by envoyproxy/ratelimit's own example: once by Sluice and once
// by envoyproxy/ratelimit. Both answer a thousand random requests alike: no request of it asks for more than one hit, so
// that nothing follows from what a refusal takes.
func TestEnvoy(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	examples := filepath.Join(upstreamModule(t), "examples", "ratelimit", "config")
	entries, err := os.ReadDir(examples)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(examples, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	dir := rateLimitFiles(t, files)
	redis := redistest.Start(t, redistest.Options{})
	ours := startOurs(t, redis, dir, "response_headers: true")
	upstream := startUpstream(t, redis, dir, "LIMIT_RESPONSE_HEADERS_ENABLED=true")
	b := newBackend(t)
	addrs := startEnvoy(t, b, ours.grpc, upstream.grpc)

	client := from("127.0.0.1")
	random := rand.New(rand.NewPCG(1, 2))
	requests, over, limited := 0, 0, 0
	for requests < 1000 {
		r := exampleRoutes[random.IntN(len(exampleRoutes))]
		var headers []string
		for _, names := range r.Asks {
			for _, name := range names {
				if values := exampleValues[name]; values != nil && random.IntN(20) > 0 {
					headers = append(headers, name+": "+values[random.IntN(len(values))])
				}
			}
		}
		var replies [2]reply
		reached := [2]int{}
		same := together(func() {
			for i, addr := range addrs {
				replies[i] = client.ask(t, http.MethodGet, "http://"+addr+r.Prefix, "", headers...)
				reached[i] = len(b.take())
			}
		})
		if !same {
			forget(t, redis) // else the windows of one would have begun without the other
			continue
		}
		if requests++; requests%40 == 0 {
			forget(t, redis) // else all that is left to see is refusals
		}
		for i := range replies {
			for _, name := range []string{"Date", "X-Envoy-Upstream-Service-Time"} { // of the time that it took
				replies[i].header.Del(name)
			}
			if allowed := replies[i].status == http.StatusOK; (reached[i] == 1) != allowed || reached[i] > 1 {
				t.Errorf("GET %s %q has status %d, and reached the backend %d times", r.Prefix, headers, replies[i].status, reached[i])
			}
		}
		if diff := cmp.Diff(replies[1], replies[0], cmp.AllowUnexported(reply{})); diff != "" {
			t.Fatalf("request %d: GET %s %q is answered (-envoyproxy/ratelimit +Sluice):\n%s", requests, r.Prefix, headers, diff)
		}
		switch replies[0].status {
		case http.StatusTooManyRequests:
			over++
		case http.StatusOK:
		default:
			t.Fatalf("GET %s %q has status %d, want 200 or 429", r.Prefix, headers, replies[0].status)
		}
		if replies[0].header.Get("X-Ratelimit-Limit") != "" && replies[0].header.Get("Ratelimit-Limit") != "" {
			limited++
		}
	}
	t.Logf("%d requests answered alike, %d of them refused, %d with header fields of the limit", requests, over, limited)
	if over*3 < requests || over*10 > requests*9 || limited*2 < requests {
		t.Errorf("of %d requests %d were refused and %d have header fields: that shows too little", requests, over, limited)
	}
}
