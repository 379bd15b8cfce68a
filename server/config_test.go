package server

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-project/sluice/policy/filesource"
)

// Every field of the file but those of policies and schedules, and mappings, is a setting with a flag and an environment variable.
func TestSettingsAreAllFields(t *testing.T) {
	t.Parallel()
	var want, got []string
	for _, f := range filesource.Fields() {
		if f.Type != "mapping" && !strings.HasPrefix(f.Path, "policies") && !strings.HasPrefix(f.Path, "schedules") {
			want = append(want, f.Path)
		}
	}
	for _, s := range Settings() {
		got = append(got, s.Path)
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) != len(fields) {
		t.Errorf("Settings (+) differs from filesource.Fields (-), of %d known:\n%s", len(fields), diff)
	}
	first := Settings()[0]
	if first.Path != "listen.http" || first.Flag != "listen-http" || first.Env != "SLUICE_LISTEN_HTTP" {
		t.Errorf("the first setting is %+v, want listen.http, listen-http, SLUICE_LISTEN_HTTP", first)
	}
}

// A flag beats the environment, the environment beats the file, the file beats the default; for every setting.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	const file, env, flag = 0, 1, 2
	values := map[string][3]string{
		"listen.http":  {"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"},
		"listen.admin": {"127.0.0.1:4", "127.0.0.1:5", "127.0.0.1:6"},
		"listen.grpc":  {"127.0.0.1:7", "127.0.0.1:8", "unix:/run/s.sock"},

		"listen.http_tls.cert_file":      {"/a", "/b", "/c"},
		"listen.http_tls.key_file":       {"/a", "/b", "/c"},
		"listen.http_tls.client_ca_file": {"/a", "/b", "/c"},
		"listen.http_tls.client_name":    {"a", "b", "c"},

		"listen.admin_tls.cert_file":      {"/a", "/b", "/c"},
		"listen.admin_tls.key_file":       {"/a", "/b", "/c"},
		"listen.admin_tls.client_ca_file": {"/a", "/b", "/c"},
		"listen.admin_tls.client_name":    {"a", "b", "c"},

		"listen.grpc_tls.cert_file":      {"/a", "/b", "/c"},
		"listen.grpc_tls.key_file":       {"/a", "/b", "/c"},
		"listen.grpc_tls.client_ca_file": {"/a", "/b", "/c"},
		"listen.grpc_tls.client_name":    {"a", "b", "c"},

		"listen.resp":          {"127.0.0.1:7", "off", "127.0.0.1:8"},
		"listen.resp_password": {"a", "b", "c d"},

		"listen.resp_tls.cert_file":      {"/a", "/b", "/c"},
		"listen.resp_tls.key_file":       {"/a", "/b", "/c"},
		"listen.resp_tls.client_ca_file": {"/a", "/b", "/c"},
		"listen.resp_tls.client_name":    {"a", "b", "c"},

		"listen.max_connections": {"1", "2", "3"},
		"listen.idle_time":       {"1s", "2s", "1h"},

		"admin.tokens_file":          {"/a", "b", "c"},
		"admin.checks_require_token": {"false", "false", "true"},

		"store":                {"redis://a", "redis://b", "redis://u:p%40@c:6379/1?addr=d:6379"},
		"store_timeout":        {"1ms", "2ms", "3ms"},
		"store_max_keys":       {"1", "2", "3"},
		"key_prefix":           {"a:", "b:", `c"\#:`},
		"hash_keys":            {"false", "false", "true"},
		"trusted_proxies":      {"10.0.0.0/8", "10.0.0.0/9", "10.0.0.0/10, fd00::/8"},
		"allow_inline_limits":  {"false", "false", "true"},
		"ready_requires_store": {"false", "false", "true"},

		"envoy.directory":        {"/a", "b", "c"},
		"envoy.merge_domains":    {"false", "false", "true"},
		"envoy.on_error":         {"allow", "allow", "deny"},
		"envoy.deny_cache":       {"false", "false", "true"},
		"envoy.near_limit_ratio": {"0.5", "0.6", "0.7"},
		"envoy.shadow_mode":      {"false", "false", "true"},
		"envoy.quota_mode":       {"false", "false", "true"},
		"envoy.dynamic_metadata": {"false", "false", "true"},
		"envoy.response_headers": {"false", "false", "true"},
		"envoy.limit_header":     {"A", "B", "C"},
		"envoy.remaining_header": {"A", "B", "C"},
		"envoy.reset_header":     {"A", "B", "C"},
	}
	for _, s := range Settings() {
		t.Run(s.Path, func(t *testing.T) {
			t.Parallel()
			parsed := func(text string) *filesource.File {
				f, err := parseSetting(s, text)
				if err != nil {
					t.Fatalf("%s: %v", text, err)
				}
				return f
			}
			is := func(what string, f *filesource.File, value int) {
				t.Helper()
				if diff := cmp.Diff(parsed(values[s.Path][value]), f, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
					t.Errorf("%s: got (+), want %s (-):\n%s", what, values[s.Path][value], diff)
				}
			}
			base := parsed(values[s.Path][file])
			c := Config{Env: func(string) string { return "" }}
			read := func() *filesource.File {
				f, err := c.override(base)
				if err != nil {
					t.Fatal(err)
				}
				return f
			}
			is("file", read(), file)
			c.Env = func(name string) string {
				if name == s.Env {
					return values[s.Path][env]
				}
				return ""
			}
			is("environment", read(), env)
			c.Flags = map[string]string{s.Path: values[s.Path][flag]}
			is("flag", read(), flag)
			if fields[s.Path].differs != nil != (len(needRestart(base, read())) == 1) {
				t.Errorf("needRestart of the changed setting = %q", needRestart(base, read()))
			}
		})
	}
}

func TestFaultySettings(t *testing.T) {
	t.Parallel()
	c := Config{
		Flags: map[string]string{"listen.http": "8080", "store": "postgres://u:secret@host"},
		Env: func(name string) string {
			return map[string]string{"SLUICE_STORE_TIMEOUT": "soon", "SLUICE_STORE": "ignored: the flag beats it", "SLUICE_HASH_KEYS": "perhaps"}[name]
		},
	}
	_, err := c.read()
	if err == nil {
		t.Fatal("faulty settings were read")
	}
	lines := strings.Split(err.Error(), "\n")
	for i, want := range []string{"--listen-http: ", "--store: ", "SLUICE_STORE_TIMEOUT: ", "SLUICE_HASH_KEYS: "} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) || strings.Contains(lines[i], "secret") {
			t.Errorf("the faults are %q; want one that begins with %q in place %d, without the password", lines, want, i)
		}
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	c := Config{Env: func(string) string { return "" }}
	f, err := c.read()
	if err != nil || len(f.Policies) != 2 || f.Listen.HTTP != "127.0.0.1:8080" || f.Store != "memory" {
		t.Errorf("without a file: %+v, %v; want two example policies and the defaults", f, err)
	}
	c.File = filepath.Join(t.TempDir(), "sluice.yaml")
	if _, err := c.read(); err == nil || !strings.Contains(err.Error(), c.File) {
		t.Errorf("a file that is not there: %v, want an error that names it", err)
	}
	if err := os.WriteFile(c.File, []byte("store: memory\npolices: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.read(); err == nil || !strings.Contains(err.Error(), "sluice.yaml:2:1: polices: ") {
		t.Errorf("a faulty file: %v, want the place of the fault", err)
	}
}
