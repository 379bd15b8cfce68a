package server

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy/filesource"
)

// example is the configuration file that is served where there is none.
//
//go:embed example.yaml
var example []byte

// Setting is one setting of the configuration file that a flag and an environment variable can give too, in the order
// flag, environment, file, default.
type Setting struct {
	// Path is its place in the file, such as "listen.http".
	Path string
	// Flag is the flag's name, such as "listen-http".
	Flag string
	// Env is the name of the environment variable, such as "SLUICE_LISTEN_HTTP".
	Env string
	// Type, Default and Doc are those of [filesource.Field].
	Type, Default, Doc string
}

// Settings returns all settings of the file but those of its policies.
func Settings() []Setting {
	var all []Setting
	for _, f := range filesource.Fields() {
		if _, found := fields[f.Path]; !found {
			continue
		}
		all = append(all, Setting{
			Path:    f.Path,
			Flag:    strings.NewReplacer(".", "-", "_", "-").Replace(f.Path),
			Env:     "SLUICE_" + strings.ToUpper(strings.ReplaceAll(f.Path, ".", "_")),
			Type:    f.Type,
			Default: f.Default,
			Doc:     f.Doc,
		})
	}
	return all
}

// field is how one setting is handled.
type field struct {
	// take takes it over from another file.
	take func(to, from *filesource.File)
	// differs reports whether it is not the same in both; nil where a running server can change it.
	differs func(a, b *filesource.File) bool
}

func live[T any](at func(*filesource.File) *T) field {
	return field{take: func(to, from *filesource.File) { *at(to) = *at(from) }}
}

func fixed[T comparable](at func(*filesource.File) *T) field {
	f := live(at)
	f.differs = func(a, b *filesource.File) bool { return *at(a) != *at(b) }
	return f
}

// storeField is fixed but for the login that a URL has.
func storeField() field {
	f := live(func(f *filesource.File) *string { return &f.Store })
	f.differs = func(a, b *filesource.File) bool { return !sameStore(a.Store, b.Store) }
	return f
}

// fields are all settings, by their paths.
var fields = map[string]field{
	"listen.http":  fixed(func(f *filesource.File) *string { return &f.Listen.HTTP }),
	"listen.admin": fixed(func(f *filesource.File) *string { return &f.Listen.Admin }),
	"listen.grpc":  fixed(func(f *filesource.File) *string { return &f.Listen.GRPC }),

	"listen.http_tls.cert_file":      fixed(func(f *filesource.File) *string { return &f.Listen.HTTPTLS.CertFile }),
	"listen.http_tls.key_file":       fixed(func(f *filesource.File) *string { return &f.Listen.HTTPTLS.KeyFile }),
	"listen.http_tls.client_ca_file": fixed(func(f *filesource.File) *string { return &f.Listen.HTTPTLS.ClientCAFile }),
	"listen.http_tls.client_name":    fixed(func(f *filesource.File) *string { return &f.Listen.HTTPTLS.ClientName }),

	"listen.admin_tls.cert_file":      fixed(func(f *filesource.File) *string { return &f.Listen.AdminTLS.CertFile }),
	"listen.admin_tls.key_file":       fixed(func(f *filesource.File) *string { return &f.Listen.AdminTLS.KeyFile }),
	"listen.admin_tls.client_ca_file": fixed(func(f *filesource.File) *string { return &f.Listen.AdminTLS.ClientCAFile }),
	"listen.admin_tls.client_name":    fixed(func(f *filesource.File) *string { return &f.Listen.AdminTLS.ClientName }),

	"listen.grpc_tls.cert_file":      fixed(func(f *filesource.File) *string { return &f.Listen.GRPCTLS.CertFile }),
	"listen.grpc_tls.key_file":       fixed(func(f *filesource.File) *string { return &f.Listen.GRPCTLS.KeyFile }),
	"listen.grpc_tls.client_ca_file": fixed(func(f *filesource.File) *string { return &f.Listen.GRPCTLS.ClientCAFile }),
	"listen.grpc_tls.client_name":    fixed(func(f *filesource.File) *string { return &f.Listen.GRPCTLS.ClientName }),

	"listen.resp":          fixed(func(f *filesource.File) *string { return &f.Listen.RESP }),
	"listen.resp_password": fixed(func(f *filesource.File) *string { return &f.Listen.RESPPassword }),

	"listen.resp_tls.cert_file":      fixed(func(f *filesource.File) *string { return &f.Listen.RESPTLS.CertFile }),
	"listen.resp_tls.key_file":       fixed(func(f *filesource.File) *string { return &f.Listen.RESPTLS.KeyFile }),
	"listen.resp_tls.client_ca_file": fixed(func(f *filesource.File) *string { return &f.Listen.RESPTLS.ClientCAFile }),
	"listen.resp_tls.client_name":    fixed(func(f *filesource.File) *string { return &f.Listen.RESPTLS.ClientName }),

	"listen.max_connections": fixed(func(f *filesource.File) *int { return &f.Listen.MaxConnections }),
	"listen.idle_time":       fixed(func(f *filesource.File) *time.Duration { return &f.Listen.IdleTime }),

	"admin.tokens_file":          fixed(func(f *filesource.File) *string { return &f.Admin.TokensFile }),
	"admin.checks_require_token": live(func(f *filesource.File) *bool { return &f.Admin.ChecksRequireToken }),

	"store":                storeField(),
	"store_timeout":        fixed(func(f *filesource.File) *time.Duration { return &f.StoreTimeout }),
	"store_max_keys":       fixed(func(f *filesource.File) *int { return &f.StoreMaxKeys }),
	"key_prefix":           fixed(func(f *filesource.File) *string { return &f.KeyPrefix }),
	"hash_keys":            fixed(func(f *filesource.File) *bool { return &f.HashKeys }),
	"trusted_proxies":      live(func(f *filesource.File) *[]netip.Prefix { return &f.TrustedProxies }),
	"allow_inline_limits":  live(func(f *filesource.File) *bool { return &f.AllowInlineLimits }),
	"ready_requires_store": live(func(f *filesource.File) *bool { return &f.ReadyRequiresStore }),

	"envoy.directory":        fixed(func(f *filesource.File) *string { return &f.Envoy.Directory }),
	"envoy.merge_domains":    fixed(func(f *filesource.File) *bool { return &f.Envoy.MergeDomains }),
	"envoy.on_error":         live(func(f *filesource.File) *sluice.ErrorPolicy { return &f.Envoy.OnError }),
	"envoy.deny_cache":       live(func(f *filesource.File) *bool { return &f.Envoy.DenyCache }),
	"envoy.near_limit_ratio": live(func(f *filesource.File) *float64 { return &f.Envoy.NearLimitRatio }),
	"envoy.shadow_mode":      live(func(f *filesource.File) *bool { return &f.Envoy.ShadowMode }),
	"envoy.quota_mode":       live(func(f *filesource.File) *bool { return &f.Envoy.QuotaMode }),
	"envoy.dynamic_metadata": live(func(f *filesource.File) *bool { return &f.Envoy.DynamicMetadata }),
	"envoy.response_headers": live(func(f *filesource.File) *bool { return &f.Envoy.ResponseHeaders }),
	"envoy.limit_header":     live(func(f *filesource.File) *string { return &f.Envoy.LimitHeader }),
	"envoy.remaining_header": live(func(f *filesource.File) *string { return &f.Envoy.RemainingHeader }),
	"envoy.reset_header":     live(func(f *filesource.File) *string { return &f.Envoy.ResetHeader }),
}

// needRestart returns the paths of the settings that differ and that a running server cannot change.
func needRestart(started, now *filesource.File) (changed []string) {
	for _, s := range Settings() {
		if differs := fields[s.Path].differs; differs != nil && differs(started, now) {
			changed = append(changed, s.Path)
		}
	}
	return changed
}

// read returns the settings that hold: those of upstream's environment, of the file, or of the example where there is none, and over them those of
// the environment and of the flags.
func (c Config) read() (*filesource.File, error) {
	if c.Upstream != nil {
		return c.override(c.Upstream.File)
	}
	if c.File == "" {
		file, err := filesource.Parse("example.yaml", example)
		if err != nil {
			return nil, err
		}
		return c.override(file)
	}
	file, err := filesource.Load(c.File)
	if err != nil {
		return nil, err
	}
	return c.override(file)
}

// override puts the settings of the environment and of the flags over those of a file. The error joins everything that is
// wrong with them.
func (c Config) override(file *filesource.File) (*filesource.File, error) {
	settings := *file
	var faults []error
	for _, s := range Settings() {
		name, text := "--"+s.Flag, c.Flags[s.Path]
		if _, given := c.Flags[s.Path]; !given {
			name, text = s.Env, c.Env(s.Env)
			if text == "" {
				continue
			}
		}
		from, err := parseSetting(s, text)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", name, err))
			continue
		}
		fields[s.Path].take(&settings, from)
	}
	return &settings, errors.Join(faults...)
}

// parseSetting reads the text of one setting as the file would be read that gives it, so that a flag cannot mean
// anything else. A list is given with commas.
func parseSetting(s Setting, text string) (*filesource.File, error) {
	value := quote(text)
	if strings.HasPrefix(s.Type, "list") {
		items := []string{}
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, quote(item))
			}
		}
		value = "[" + strings.Join(items, ", ") + "]"
	}
	names := strings.Split(s.Path, ".")
	document := strings.Join(names, ": {") + ": " + value + strings.Repeat("}", len(names)-1)
	file, err := filesource.Parse("", []byte(document))
	if faults := filesource.Faults(nil); errors.As(err, &faults) {
		problems := make([]string, len(faults))
		for i, f := range faults {
			problems[i] = f.Problem
		}
		return nil, errors.New(strings.Join(problems, "; "))
	}
	return file, err
}

// quote returns a text as JSON, which is YAML too.
func quote(text string) string {
	quoted, _ := json.Marshal(text) // a string always has a JSON form
	return string(quoted)
}
