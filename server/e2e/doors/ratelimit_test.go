//go:build e2e

package doors

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	common "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rls "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sluice-project/sluice/internal/processtest"
	"github.com/sluice-project/sluice/internal/redistest"
)

// rateLimiter is a server that answers Envoy's rate limit service: ours, or envoyproxy/ratelimit.
type rateLimiter struct {
	*processtest.Process
	rls.RateLimitServiceClient
	grpc, http string // addresses
	conn       *grpc.ClientConn
}

// connect waits until the server listens at both addresses.
func (r *rateLimiter) connect(t testing.TB) {
	t.Helper()
	r.WaitListening(t, r.grpc)
	r.WaitListening(t, r.http)
	conn, err := grpc.NewClient(r.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	r.conn, r.RateLimitServiceClient = conn, rls.NewRateLimitServiceClient(conn)
}

// ask asks, and waits for an answer for as long as a machine under load may take.
func (r *rateLimiter) ask(t testing.TB, req *rls.RateLimitRequest) (*rls.RateLimitResponse, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), processtest.Patience)
	defer cancel()
	return r.ShouldRateLimit(ctx, req)
}

// must asks what cannot go wrong.
func (r *rateLimiter) must(t testing.TB, req *rls.RateLimitRequest) *rls.RateLimitResponse {
	t.Helper()
	response, err := r.ask(t, req)
	if err != nil {
		t.Fatalf("%s answers %v: %v", filepath.Base(r.Cmd.Path), req, err)
	}
	return response
}

// rateLimitFiles writes rate limit files where envoyproxy/ratelimit looks for them, below the directory that it is told:
// contents by names.
func rateLimitFiles(t testing.TB, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.MkdirAll(rulesOf(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(rulesOf(dir), name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// rulesOf is where the rate limit files are below a directory.
func rulesOf(dir string) string { return filepath.Join(dir, "ratelimit", "config") }

// upstreamEnv is what envoyproxy/ratelimit is told by, which listens at three addresses.
func upstreamEnv(redis *redistest.Server, dir, http, grpc, debug string) []string {
	env := []string{
		"DISABLE_STATS=true", "LOG_LEVEL=warn", "REDIS_SOCKET_TYPE=tcp", "REDIS_URL=" + redis.Addr(),
		"RUNTIME_ROOT=" + dir, "RUNTIME_SUBDIRECTORY=ratelimit", "RUNTIME_WATCH_ROOT=false",
	}
	for name, addr := range map[string]string{"": http, "GRPC_": grpc, "DEBUG_": debug} {
		host, port, _ := net.SplitHostPort(addr)
		env = append(env, name+"HOST="+host, name+"PORT="+port)
	}
	return env
}

// startUpstream starts envoyproxy/ratelimit by the files below dir.
func startUpstream(t testing.TB, redis *redistest.Server, dir string, env ...string) *rateLimiter {
	t.Helper()
	r := &rateLimiter{http: processtest.FreeAddr(t), grpc: processtest.FreeAddr(t)}
	cmd := program(t, "ratelimit")
	cmd.Env = append(upstreamEnv(redis, dir, r.http, r.grpc, processtest.FreeAddr(t)), env...)
	r.Process = processtest.Start(t, cmd)
	r.connect(t)
	return r
}

// startOurs starts Sluice by the same files, with more lines for the mapping envoy.
func startOurs(t testing.TB, redis *redistest.Server, dir string, envoy ...string) *rateLimiter {
	t.Helper()
	r := &rateLimiter{grpc: processtest.FreeAddr(t)}
	s := serve(t, fmt.Sprintf(`listen: {http: "127.0.0.1:0", grpc: %q}
store: %s
store_timeout: 10s
envoy:
  directory: %q
  on_error: deny
  %s
`, r.grpc, redis.URL(), rulesOf(dir), strings.Join(envoy, "\n  ")))
	r.Process, r.http = s.Process, s.addr
	r.connect(t)
	return r
}

// upstreamModule returns the directory of the source that the program is built of, which has its examples.
func upstreamModule(t testing.TB) string {
	t.Helper()
	path, err := find(programs, "ratelimit")
	if err != nil {
		t.Fatal(err)
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		t.Fatal(err)
	}
	version := strings.TrimPrefix(filepath.Base(filepath.Dir(path)), "ratelimit-") // tools/programs names it so
	cmd := exec.Command("go", "mod", "download", "-json", "github.com/envoyproxy/ratelimit@"+version)
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", cmd, err, out)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	return module.Dir
}

// descriptor is entries such as "a=b".
func descriptor(entries ...string) *common.RateLimitDescriptor {
	d := &common.RateLimitDescriptor{}
	for _, e := range entries {
		key, value, _ := strings.Cut(e, "=")
		d.Entries = append(d.Entries, &common.RateLimitDescriptor_Entry{Key: key, Value: value})
	}
	return d
}

// hits gives a descriptor an addend of its own.
func hits(addend uint64, d *common.RateLimitDescriptor) *common.RateLimitDescriptor {
	d.HitsAddend = wrapperspb.UInt64(addend)
	return d
}

func rateLimitRequest(domain string, descriptors ...*common.RateLimitDescriptor) *rls.RateLimitRequest {
	return &rls.RateLimitRequest{Domain: domain, Descriptors: descriptors}
}

// together calls a function that asks both servers, at an instant that is not just before the end of a second, and
// reports whether it ended in the same second: else the two servers may have seen different windows.
func together(ask func()) bool {
	now := time.Now()
	if left := now.Truncate(time.Second).Add(time.Second).Sub(now); left < 100*time.Millisecond {
		time.Sleep(left) // both reckon with real time
		now = time.Now()
	}
	ask()
	return now.Unix() == time.Now().Unix()
}

// forget makes everything that counts new.
func forget(t testing.TB, redis *redistest.Server) {
	t.Helper()
	redis.Do(t, "FLUSHALL")
}
