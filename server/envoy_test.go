package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	common "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"

	"github.com/sluice-project/sluice/internal/redistest"
	"github.com/sluice-project/sluice/server"
	"github.com/sluice-project/sluice/server/envoyrls/environment"
)

// rateLimits writes a rate limit file of the domain d to a directory: so many requests of each key k a year.
func rateLimits(t *testing.T, dir, requests string) {
	t.Helper()
	writeFile(t, filepath.Join(dir, "d.yaml"), "domain: d\ndescriptors: [{key: k, rate_limit: {unit: year, requests_per_unit: "+requests+"}}]\n")
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// dial connects to a gRPC door.
func dial(t *testing.T, target string, creds credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient(target, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// askEnvoy asks as Envoy does for one unit of a key k, and returns the overall code and what remains.
func askEnvoy(ctx context.Context, c *grpc.ClientConn, value string) (pb.RateLimitResponse_Code, uint32, error) {
	response, err := pb.NewRateLimitServiceClient(c).ShouldRateLimit(ctx, &pb.RateLimitRequest{Domain: "d", Descriptors: []*common.RateLimitDescriptor{
		{Entries: []*common.RateLimitDescriptor_Entry{{Key: "k", Value: value}}},
	}})
	if err != nil {
		return 0, 0, err
	}
	return response.GetOverallCode(), response.GetStatuses()[0].GetLimitRemaining(), nil
}

func servingStatus(t *testing.T, c *grpc.ClientConn, service string) healthpb.HealthCheckResponse_ServingStatus {
	t.Helper()
	response, err := healthpb.NewHealthClient(c).Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
	if err != nil {
		t.Fatal(err)
	}
	return response.GetStatus()
}

// TestEnvoy asks over gRPC, changes the files, and freezes Redis.
func TestEnvoy(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, redistest.Options{})
	dir := t.TempDir()
	rateLimits(t, dir, "2")
	r := run(t, "", map[string]string{
		"store": redis.URL(), "store_timeout": "3s", "envoy.directory": dir, "listen.grpc": "127.0.0.1:0", "ready_requires_store": "true",
	})
	c := dial(t, r.server.Addr("listen.grpc").String(), insecure.NewCredentials())
	for i, want := range []pb.RateLimitResponse_Code{pb.RateLimitResponse_OK, pb.RateLimitResponse_OK, pb.RateLimitResponse_OVER_LIMIT} {
		if code, _, err := askEnvoy(t.Context(), c, "a"); code != want || err != nil {
			t.Fatalf("request %d is answered %s, %v, want %s", i, code, err, want)
		}
	}
	for _, service := range []string{"", "ratelimit"} {
		if got := servingStatus(t, c, service); got != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("the health of %q is %s, want SERVING", service, got)
		}
	}
	reflection, err := reflectionpb.NewServerReflectionClient(c).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_ = reflection.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}})
	if answer, err := reflection.Recv(); err != nil || !strings.Contains(answer.String(), pb.RateLimitService_ServiceDesc.ServiceName) {
		t.Errorf("reflection is answered %v, %v", answer, err)
	}
	if status, body := r.ask("POST", "/json", `{"domain":"d","descriptors":[{"entries":[{"key":"k","value":"a"}]}]}`); status != http.StatusTooManyRequests {
		t.Errorf("POST /json = %d %s, want 429", status, body)
	}

	rateLimits(t, dir, "none")
	r.eventually("faulty files are refused", func() bool { return strings.Contains(r.log.String(), "rate limit files are refused") })
	if code, _, err := askEnvoy(t.Context(), c, "a"); code != pb.RateLimitResponse_OVER_LIMIT || err != nil {
		t.Errorf("with faulty files a request is answered %s, %v, want by those before", code, err)
	}
	rateLimits(t, dir, "3")
	r.eventually("a raised limit is honoured", func() bool {
		code, _, err := askEnvoy(t.Context(), c, "a")
		return code == pb.RateLimitResponse_OK && err == nil
	})
	r.eventually("loads are counted", r.answers("GET", "/metrics", "", `sluice_envoy_config_loads_total{result="refused"} 1`))

	redis.Pause(t)
	const patience = 2 * time.Second // more than half of what the store has: it is seen to fail
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if code, remaining, err := askEnvoy(ctx, c, "a"); code != pb.RateLimitResponse_OK || remaining != 0 || err != nil {
		t.Errorf("with Redis frozen a request is answered %s, %d left, %v, want OK by on_error within the deadline", code, remaining, err)
	}
	r.eventually("readiness says so", func() bool { return servingStatus(t, c, "ratelimit") == healthpb.HealthCheckResponse_NOT_SERVING })
	redis.Continue(t)
	r.eventually("readiness comes back", func() bool { return servingStatus(t, c, "") == healthpb.HealthCheckResponse_SERVING })
}

// TestUpstreamsEnvironment takes upstream's place, on a Unix socket, before there is a file.
func TestUpstreamsEnvironment(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, redistest.Options{})
	root := t.TempDir()
	socket := filepath.Join(root, "s.sock")
	if err := os.Mkdir(filepath.Join(root, "config"), 0o700); err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{
		"HOST": "127.0.0.1", "PORT": "0", "DEBUG_PORT": "0", "GRPC_UDS": socket, "REDIS_SOCKET_TYPE": "tcp", "REDIS_URL": redis.Addr(),
		"RUNTIME_ROOT": root, "HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED": "true", "FORCE_START_WITHOUT_INITIAL_CONFIG": "true",
		"LIMIT_RESPONSE_HEADERS_ENABLED": "true", "USE_PROMETHEUS": "true", "PROMETHEUS_ADDR": "127.0.0.1:0", "CACHE_KEY_PREFIX": "mine:",
	}
	writeFile(t, filepath.Join(root, "config", "d"), "nonsense: [") // every file is read, whatever its name
	settings, err := environment.Read(func(name string) string { return variables[name] })
	if err != nil {
		t.Fatal(err)
	}
	r := serve(t, server.Config{Upstream: settings})
	healthcheck := func(want int) func() bool {
		return func() bool {
			status, _ := r.ask("GET", "/healthcheck", "")
			return status == want
		}
	}
	c := dial(t, "unix:"+socket, insecure.NewCredentials())
	if _, _, err := askEnvoy(t.Context(), c, "a"); err == nil || !strings.Contains(err.Error(), "no rate limit configuration loaded") {
		t.Errorf("without files a request is answered %v", err)
	}
	r.eventually("it is not healthy", healthcheck(http.StatusInternalServerError))
	writeFile(t, filepath.Join(root, "config", "d"), "domain: d\ndescriptors: [{key: k, rate_limit: {unit: year, requests_per_unit: 1}}]\n")
	r.eventually("it is healthy", healthcheck(http.StatusOK))
	if code, _, err := askEnvoy(t.Context(), c, "a"); code != pb.RateLimitResponse_OK || err != nil {
		t.Errorf("a request is answered %s, %v, want OK", code, err)
	}
	if _, body := r.ask("POST", "/json", `{"domain":"d","descriptors":[{"entries":[{"key":"k","value":"a"}]}]}`); !strings.Contains(body, `RateLimit-Limit`) {
		t.Errorf("POST /json = %s, want the header fields in it", body)
	}
	response, err := http.Get("http://" + r.server.Addr("PROMETHEUS_ADDR").String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); !strings.Contains(string(body), `sluice_envoy_hits_total{domain="d",rule="k"} 2`) {
		t.Errorf("the metrics are\n%s", body)
	}
	if status, _ := r.ask("GET", "/metrics", ""); status != http.StatusNotFound {
		t.Errorf("the HTTP door answers metrics %d, want 404", status)
	}
	if settings, err := environment.Read(func(name string) string {
		return map[string]string{"RUNTIME_ROOT": filepath.Join(root, "nowhere")}[name]
	}); err != nil {
		t.Error(err)
	} else if _, err := server.New(server.Config{Upstream: settings}); err == nil {
		t.Error("a server starts without files, and nothing forces it")
	}
}

// TestGRPCTLS lets in who has the right certificate.
func TestGRPCTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rateLimits(t, dir, "9")
	authority := newAuthority(t, dir)
	authority.issue(t, "server", "sluice.example")
	envoy, other := authority.issue(t, "envoy", "envoy.example"), authority.issue(t, "other", "other.example")
	path := func(name string) string { return filepath.Join(dir, name) }
	r := run(t, "", map[string]string{
		"envoy.directory": dir, "listen.grpc": "127.0.0.1:0", "listen.grpc_tls.cert_file": path("server.pem"),
		"listen.grpc_tls.key_file": path("server.key"), "listen.grpc_tls.client_ca_file": path("ca.pem"), "listen.grpc_tls.client_name": "envoy.example",
	})
	for name, test := range map[string]struct {
		certificates []tls.Certificate
		let          bool
	}{"its name": {[]tls.Certificate{envoy}, true}, "another name": {[]tls.Certificate{other}, false}, "no certificate": {nil, false}} {
		c := dial(t, r.server.Addr("listen.grpc").String(), credentials.NewTLS(&tls.Config{
			RootCAs: authority.pool, ServerName: "sluice.example", Certificates: test.certificates, MinVersion: tls.VersionTLS12,
		}))
		if _, _, err := askEnvoy(t.Context(), c, "a"); (err == nil) != test.let {
			t.Errorf("%s: %v, want let in: %t", name, err, test.let)
		}
	}
	for _, flags := range []map[string]string{
		{"listen.grpc_tls.cert_file": path("server.pem")},
		{"listen.grpc_tls.cert_file": path("server.pem"), "listen.grpc_tls.key_file": path("none.key")},
		{"listen.grpc_tls.cert_file": path("server.pem"), "listen.grpc_tls.key_file": path("server.key"), "listen.grpc_tls.client_ca_file": path("server.key")},
		{"listen.grpc_tls.cert_file": path("server.pem"), "listen.grpc_tls.key_file": path("server.key"), "listen.grpc_tls.client_name": "x"},
	} {
		flags["envoy.directory"], flags["listen.http"], flags["listen.grpc"] = dir, "127.0.0.1:0", "127.0.0.1:0"
		if _, err := server.New(server.Config{Flags: flags}); err == nil || !strings.Contains(err.Error(), "listen.grpc_tls") {
			t.Errorf("%v: %v, want the fault of listen.grpc_tls", flags, err)
		}
	}
}

// authority issues certificates.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T, dir string) *authority {
	a := &authority{dir: dir, pool: x509.NewCertPool()}
	a.issue(t, "ca", "")
	a.pool.AddCert(a.cert)
	return a
}

// issue makes a certificate for a name, and files of it and its key; the first is the authority's own.
func (a *authority) issue(t *testing.T, file, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: file}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		template.DNSNames, template.ExtKeyUsage, template.IsCA, template.BasicConstraintsValid = nil, nil, true, true
		template.KeyUsage = x509.KeyUsageCertSign
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	writeFile(t, filepath.Join(a.dir, file+".pem"), string(certPEM))
	writeFile(t, filepath.Join(a.dir, file+".key"), string(keyPEM))
	if a.cert == nil {
		if a.cert, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
		a.key = key
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}
