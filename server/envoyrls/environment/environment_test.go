package environment_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-project/sluice/policy/filesource"
	"github.com/sluice-project/sluice/server/envoyrls/environment"
)

func read(t *testing.T, pairs ...string) *environment.Settings {
	t.Helper()
	s, err := environment.Read(lookup(pairs...))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func lookup(pairs ...string) func(string) string {
	return func(name string) string {
		for _, pair := range pairs {
			if of, value, _ := strings.Cut(pair, "="); of == name {
				return value
			}
		}
		return ""
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	want, err := filesource.Parse("", []byte(`
listen: {http: 0.0.0.0:8080, admin: 127.0.0.1:6070, grpc: 0.0.0.0:8081}
store: unix:///var/run/nutcracker/ratelimit.sock
policies: {}
envoy: {directory: /srv/runtime_data/current/config}
`))
	if err != nil {
		t.Fatal(err)
	}
	got := read(t)
	if diff := cmp.Diff(want, got.File); diff != "" || len(got.Warnings) > 0 {
		t.Errorf("no variables are, -want +got, with the warnings %q:\n%s", got.Warnings, diff)
	}
	if got.MaxConnectionAge.String() != "24h0m0s" || got.LogLevel.String() != "WARN" || got.MetricsAddress != "" {
		t.Errorf("no variables are %+v", got)
	}
}

func TestAllVariables(t *testing.T) {
	t.Parallel()
	got := read(t, "HOST=::1", "PORT=1", "DEBUG_HOST=localhost", "DEBUG_PORT=2", "GRPC_UDS=/run/s.sock", "GRPC_MAX_CONNECTION_AGE=1h",
		"GRPC_MAX_CONNECTION_AGE_GRACE=1m", "GRPC_SERVER_USE_TLS=true", "GRPC_SERVER_TLS_CERT=/c", "GRPC_SERVER_TLS_KEY=/k",
		"GRPC_CLIENT_TLS_CACERT=/ca", "GRPC_CLIENT_TLS_SAN=envoy", "LOG_LEVEL=Debug", "LOG_FORMAT=JSON", "RUNTIME_ROOT=/r",
		"RUNTIME_SUBDIRECTORY=s", "RUNTIME_APPDIRECTORY=a", "MERGE_DOMAIN_CONFIG=1", "FORCE_START_WITHOUT_INITIAL_CONFIG=true",
		"HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED=true", "CACHE_KEY_PREFIX=p:", "NEAR_LIMIT_RATIO=0.5", "LOCAL_CACHE_SIZE_IN_BYTES=1000",
		"LIMIT_RESPONSE_HEADERS_ENABLED=true", "LIMIT_LIMIT_HEADER=L", "LIMIT_REMAINING_HEADER=N", "LIMIT_RESET_HEADER=R", "SHADOW_MODE=true",
		"QUOTA_MODE=true", "RESPONSE_DYNAMIC_METADATA=true", "REDIS_SOCKET_TYPE=tcp", "REDIS_URL=h:1", "REDIS_TIMEOUT=20s",
		"REDIS_HEALTH_CHECK_ACTIVE_CONNECTION=true", "USE_PROMETHEUS=true", "PROMETHEUS_ADDR=:3", "PROMETHEUS_PATH=/m",
		"USE_STATSD=false", "REDIS_PERSECOND=true")
	want, err := filesource.Parse("", []byte(`
listen:
  http: "[::1]:1"
  admin: localhost:2
  grpc: unix:/run/s.sock
  grpc_tls: {cert_file: /c, key_file: /k, client_ca_file: /ca, client_name: envoy}
store: redis://h:1
store_timeout: 10s
key_prefix: "p:"
ready_requires_store: true
policies: {}
envoy:
  directory: /r/s/a
  merge_domains: true
  deny_cache: true
  near_limit_ratio: 0.5
  shadow_mode: true
  quota_mode: true
  dynamic_metadata: true
  response_headers: true
  limit_header: L
  remaining_header: N
  reset_header: R
`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.File); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if !got.Force || !got.RequireDomain || got.MaxConnectionAge.String() != "1h0m0s" || got.MaxConnectionAgeGrace.String() != "1m0s" ||
		got.MetricsAddress != ":3" || got.MetricsPath != "/m" || got.LogLevel.String() != "DEBUG" || !got.LogJSON {
		t.Errorf("the rest is %+v", got)
	}
	if len(got.Warnings) != 2 || !strings.HasPrefix(got.Warnings[0], "REDIS_PERSECOND does nothing here: ") {
		t.Errorf("the warnings are %q, want one of REDIS_PERSECOND and one of USE_STATSD", got.Warnings)
	}
}

func TestRedisURL(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ variables, want string }{
		{"REDIS_SOCKET_TYPE=tcp REDIS_URL=h:6379", "redis://h:6379"},
		{"REDIS_SOCKET_TYPE=tcp REDIS_URL=h:6379 REDIS_AUTH=se%cret", "redis://:se%25cret@h:6379"},
		{"REDIS_SOCKET_TYPE=tcp REDIS_URL=h:6379 REDIS_AUTH=user:a:b", "redis://user:a%3Ab@h:6379"},
		{"REDIS_SOCKET_TYPE=tcp REDIS_URL=redis://u:p@h:6379/2", "redis://u:p@h:6379/2"},
		{"REDIS_URL=/run/r.sock REDIS_AUTH=p", "unix://:p@/run/r.sock"},
		{"REDIS_TYPE=cluster REDIS_SOCKET_TYPE=tcp REDIS_URL=a:1,b:2,c:3", "redis://a:1?addr=b%3A2&addr=c%3A3"},
		{
			"REDIS_TYPE=SENTINEL REDIS_SOCKET_TYPE=tcp REDIS_URL=main,a:1,b:2 REDIS_AUTH=p REDIS_SENTINEL_AUTH=u:q",
			"redis://:p@a:1?addr=b%3A2&master_set=main&sentinel_password=q&sentinel_username=u",
		},
		{
			"REDIS_SOCKET_TYPE=tcp REDIS_URL=h:1 REDIS_TLS=true REDIS_TLS_CACERT=/ca REDIS_TLS_CLIENT_CERT=/c REDIS_TLS_CLIENT_KEY=/k",
			"rediss://h:1?ca_file=%2Fca&cert_file=%2Fc&key_file=%2Fk",
		},
		{"REDIS_SOCKET_TYPE=tcp REDIS_URL=h:1 REDIS_TLS=true REDIS_TLS_SKIP_HOSTNAME_VERIFICATION=true", "rediss://h:1?skip_hostname=true"},
	} {
		if got := read(t, strings.Fields(test.variables)...).File.Store; got != test.want {
			t.Errorf("%s is %s, want %s", test.variables, got, test.want)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	_, err := environment.Read(lookup("PORT=http", "SHADOW_MODE=maybe", "CONFIG_TYPE=GRPC_XDS_SOTW", "BACKEND_TYPE=memcache", "REDIS_TYPE=sentinel",
		"REDIS_URL=main", "NEAR_LIMIT_RATIO=8", "LOCAL_CACHE_SIZE_IN_BYTES=all", "LOG_LEVEL=loud", "GRPC_SERVER_USE_TLS=true",
		"GRPC_SERVER_TLS_CERT=/c", "GRPC_MAX_CONNECTION_AGE=1", "USE_PROMETHEUS=true", "PROMETHEUS_PATH=m", "CACHE_KEY_PREFIX={"))
	want := []string{
		`BACKEND_TYPE: it is "memcache"; only redis`, `CACHE_KEY_PREFIX: it is "{"; `, `CONFIG_TYPE: it is "GRPC_XDS_SOTW"; only FILE`,
		`GRPC_MAX_CONNECTION_AGE: it is "1"; `, `GRPC_SERVER_TLS_KEY: it is not set; `, `LOCAL_CACHE_SIZE_IN_BYTES: it is "all"; `,
		`LOG_LEVEL: it is "loud"; `, `NEAR_LIMIT_RATIO: it is "8"; `, `PORT: it is "http"; `, `PROMETHEUS_PATH: it is "m"; `,
		`REDIS_URL: it must be the name of the master`, `SHADOW_MODE: it is "maybe"; it must be true or false`,
	}
	got := strings.Split(fmt.Sprint(err), "\n")
	slices.Sort(got)
	if len(got) != len(want) {
		t.Fatalf("Read has %d faults, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("a fault is %s, want %s...", got[i], want[i])
		}
	}
}

// TestPageListsEveryVariable compares the table of docs/envoy.md with the variables that are read.
func TestPageListsEveryVariable(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/envoy.md")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, v := range environment.Variables() {
		value := "none"
		if v.Default != "" {
			value = "`" + v.Default + "`"
		}
		becomes := v.Becomes
		if v.Meaningless {
			becomes = "nothing: " + becomes
		}
		want = append(want, fmt.Sprintf("| `%s` | %s | %s |", v.Name, value, becomes))
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `[A-Z0-9_]+` \\|.*$").FindAll(page, -1) {
		got = append(got, string(row))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/envoy.md, -want +got:\n%s", diff)
	}
}
