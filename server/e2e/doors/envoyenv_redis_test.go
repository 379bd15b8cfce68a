//go:build e2e

package doors

import (
	"os/exec"
	"strings"
	"testing"

	rls "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"github.com/sluice-project/sluice/internal/processtest"
	"github.com/sluice-project/sluice/internal/redistest"
)

// TestEnvoyEnvRedis starts sluice serve --envoy-env by what upstream's variables say of a Redis that is not a single one
// without more: it must count there, and nowhere else, and a second server must count on.
func TestEnvoyEnvRedis(t *testing.T) {
	t.Parallel()
	locked := redistest.Start(t, redistest.Options{TLS: true, Password: "pa:ss"})
	other := redistest.Start(t, redistest.Options{TLS: true})
	byName := strings.Replace(locked.Addr(), "127.0.0.1", "localhost", 1)
	master := redistest.Start(t, redistest.Options{Password: "pw"})
	sentinels := redistest.StartSentinels(t, 1, "main", master)
	cluster := redistest.StartClusterOf(t, redistest.ClusterOptions{Options: redistest.Options{Password: "pw"}})
	tls := []string{"REDIS_TLS=true", "REDIS_AUTH=default:pa:ss"}
	for _, test := range []struct {
		name   string
		env    []string
		counts []*redistest.Server // the counters are on each of them; nil where no connection is made
	}{
		{
			"cluster",
			[]string{"REDIS_TYPE=cluster", "REDIS_URL=" + strings.Join(cluster.Addrs(), ","), "REDIS_AUTH=pw"},
			cluster.Nodes,
		},
		{
			"sentinel",
			[]string{"REDIS_TYPE=sentinel", "REDIS_URL=main," + sentinels[0].Addr(), "REDIS_AUTH=pw"},
			[]*redistest.Server{master},
		},
		{
			"TLS and password", append(tls, "REDIS_URL="+locked.Addr(), "REDIS_TLS_CACERT="+locked.CAFile()),
			[]*redistest.Server{locked},
		},
		{
			"TLS by another name", append(tls, "REDIS_URL="+byName, "REDIS_TLS_CACERT="+locked.CAFile()),
			nil,
		},
		{
			"TLS by another name that is not verified", append(tls, "REDIS_URL="+byName, "REDIS_TLS_CACERT="+locked.CAFile(),
				"REDIS_TLS_SKIP_HOSTNAME_VERIFICATION=true"),
			[]*redistest.Server{locked},
		},
		{
			"TLS of another authority", append(tls, "REDIS_URL="+byName, "REDIS_TLS_CACERT="+other.CAFile(),
				"REDIS_TLS_SKIP_HOSTNAME_VERIFICATION=true"),
			nil,
		},
		{
			"a wrong password",
			[]string{"REDIS_TLS=true", "REDIS_AUTH=wrong", "REDIS_URL=" + locked.Addr(), "REDIS_TLS_CACERT=" + locked.CAFile()},
			nil,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := rateLimitFiles(t, map[string]string{"d.yaml": `
domain: d
descriptors:
  - key: user
    rate_limit: {unit: year, requests_per_unit: 3}
`})
			prefix := strings.ReplaceAll(test.name, " ", "-") + ":"
			servers := make([]*rateLimiter, 2)
			for i := range servers {
				r := &rateLimiter{http: processtest.FreeAddr(t), grpc: processtest.FreeAddr(t)}
				cmd := exec.Command(sluice, "serve", "--envoy-env")
				cmd.Env = append(upstreamEnv(master, dir, r.http, r.grpc, processtest.FreeAddr(t)), "REDIS_TIMEOUT=10s", "CACHE_KEY_PREFIX="+prefix)
				cmd.Env = append(cmd.Env, test.env...) // of two with one name the last one holds
				r.Process = processtest.Start(t, cmd)
				r.connect(t)
				servers[i] = r
			}
			// As many descriptors as fall on all nodes of a Cluster, in one request.
			var entries []string
			for c := 'a'; c <= 'z'; c++ {
				entries = append(entries, "user="+string(c))
			}
			req := rateLimitRequest("d")
			for _, e := range entries {
				req.Descriptors = append(req.Descriptors, descriptor(e))
			}
			for n := range 4 {
				response := servers[n%2].must(t, req)
				want := rls.RateLimitResponse_OK
				if n == 3 && test.counts != nil {
					want = rls.RateLimitResponse_OVER_LIMIT
				}
				for i, s := range response.Statuses {
					if s.Code != want {
						t.Errorf("request %d, %s: %v, want %v", n+1, entries[i], s, want)
					}
				}
			}
			for _, node := range test.counts {
				if keys := node.Do(t, "KEYS", prefix+"*").([]any); len(keys) == 0 {
					t.Errorf("nothing is counted at %s", node.Addr())
				}
			}
			if test.counts == nil {
				if keys := locked.Do(t, "KEYS", prefix+"*").([]any); len(keys) > 0 {
					t.Errorf("there are counters: %q", keys)
				}
			}
		})
	}
}
