// Package environment reads the environment variables of envoyproxy/ratelimit as settings of ours, so that who runs that
// needs to change the program's name only.
//
// [Variables] lists each variable and what became of it. It reads no file, opens nothing and knows no protocol. It imports
// package filesource for what settings are.
package environment

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-project/sluice/policy/filesource"
)

// Settings are what the variables say.
type Settings struct {
	// File is what a configuration file would say.
	File *filesource.File
	// Force starts although the rate limit files have faults or are not there yet.
	Force bool
	// RequireDomain makes the server not ready while no file has a domain.
	RequireDomain bool
	// MaxConnectionAge and MaxConnectionAgeGrace are those of the gRPC door.
	MaxConnectionAge, MaxConnectionAgeGrace time.Duration
	// MetricsAddress and MetricsPath are where the metrics are served besides; empty where they are not.
	MetricsAddress, MetricsPath string
	// LogLevel is the least level that is logged, as JSON where LogJSON says so.
	LogLevel slog.Level
	LogJSON  bool
	// Warnings name the variables that are set and have no meaning here, or another.
	Warnings []string
}

// Variable is a variable that upstream reads.
type Variable struct {
	// Name is the variable, and Default what it is where it is not set.
	Name, Default string
	// Becomes says what it does here; of one without a meaning, why.
	Becomes string
	// Meaningless says that it does nothing.
	Meaningless bool
}

// Read reads the variables; env returns one, "" where it is not set. The error says everything that is wrong with them.
func Read(env func(string) string) (*Settings, error) {
	file, err := filesource.Parse("", []byte("policies: {}"))
	if err != nil {
		return nil, err
	}
	r := &reader{env: env, settings: &Settings{File: file}}
	r.listening()
	r.redis()
	r.rules()
	r.answers()
	r.process()
	for _, v := range variables {
		if v.Meaningless && env(v.Name) != "" {
			r.warn("%s does nothing here: %s", v.Name, v.Becomes)
		}
	}
	slices.Sort(r.settings.Warnings)
	return r.settings, errors.Join(r.faults...)
}

type reader struct {
	env      func(string) string
	settings *Settings
	faults   []error
}

func (r *reader) fault(name, format string, args ...any) {
	r.faults = append(r.faults, fmt.Errorf("%s: %s", name, fmt.Sprintf(format, args...)))
}

func (r *reader) warn(format string, args ...any) {
	r.settings.Warnings = append(r.settings.Warnings, fmt.Sprintf(format, args...))
}

// text returns a variable, or its default.
func (r *reader) text(name string) string {
	if text := r.env(name); text != "" {
		return text
	}
	return defaultOf(name)
}

func (r *reader) yes(name string) bool {
	yes, err := strconv.ParseBool(r.text(name))
	if err != nil {
		r.fault(name, "it is %.64q; it must be true or false", r.text(name))
	}
	return yes
}

func (r *reader) port(name string) string {
	if _, err := strconv.ParseUint(r.text(name), 10, 16); err != nil {
		r.fault(name, "it is %.64q; it must be a port, 0 to 65535", r.text(name))
	}
	return r.text(name)
}

func (r *reader) duration(name string) time.Duration {
	d, err := time.ParseDuration(r.text(name))
	if err != nil || d < 0 {
		r.fault(name, "it is %.64q; it must be a duration, as in 500ms", r.text(name))
	}
	return d
}

func (r *reader) listening() {
	listen := &r.settings.File.Listen
	listen.HTTP = net.JoinHostPort(r.text("HOST"), r.port("PORT"))
	listen.GRPC = net.JoinHostPort(r.text("GRPC_HOST"), r.port("GRPC_PORT"))
	if path := r.env("GRPC_UDS"); path != "" {
		listen.GRPC = "unix:" + path
	}
	host := r.text("DEBUG_HOST")
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		if r.env("DEBUG_HOST") != "" {
			r.warn("DEBUG_HOST is not a loopback address: administration and metrics are served at 127.0.0.1")
		}
		host = "127.0.0.1"
	}
	listen.Admin = net.JoinHostPort(host, r.port("DEBUG_PORT"))
	if r.yes("GRPC_SERVER_USE_TLS") {
		listen.GRPCTLS = filesource.TLS{
			CertFile: r.env("GRPC_SERVER_TLS_CERT"), KeyFile: r.env("GRPC_SERVER_TLS_KEY"),
			ClientCAFile: r.env("GRPC_CLIENT_TLS_CACERT"), ClientName: r.env("GRPC_CLIENT_TLS_SAN"),
		}
		for name, path := range map[string]string{"GRPC_SERVER_TLS_CERT": listen.GRPCTLS.CertFile, "GRPC_SERVER_TLS_KEY": listen.GRPCTLS.KeyFile} {
			if path == "" {
				r.fault(name, "it is not set; with GRPC_SERVER_USE_TLS it must be the path of a file in PEM form")
			}
		}
	}
	r.settings.MaxConnectionAge = r.duration("GRPC_MAX_CONNECTION_AGE")
	r.settings.MaxConnectionAgeGrace = r.duration("GRPC_MAX_CONNECTION_AGE_GRACE")
}

func (r *reader) rules() {
	if kind := r.text("CONFIG_TYPE"); kind != "FILE" {
		r.fault("CONFIG_TYPE", "it is %.64q; only FILE is read here: have the files written to a directory", kind)
	}
	envoy := &r.settings.File.Envoy
	envoy.Directory = filepath.Join(r.text("RUNTIME_ROOT"), r.env("RUNTIME_SUBDIRECTORY"), r.text("RUNTIME_APPDIRECTORY"))
	if text := r.env("RUNTIME_IGNOREDOTFILES"); text != "" && !r.yes("RUNTIME_IGNOREDOTFILES") {
		r.warn("RUNTIME_IGNOREDOTFILES is false: files whose names begin with a dot are not read all the same")
	}
	envoy.MergeDomains = r.yes("MERGE_DOMAIN_CONFIG")
	r.settings.Force = r.yes("FORCE_START_WITHOUT_INITIAL_CONFIG")
	r.settings.RequireDomain = r.yes("HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED")
}

func (r *reader) answers() {
	envoy := &r.settings.File.Envoy
	ratio, err := strconv.ParseFloat(r.text("NEAR_LIMIT_RATIO"), 64)
	if err != nil || !(ratio > 0 && ratio <= 1) {
		r.fault("NEAR_LIMIT_RATIO", "it is %.64q; it must be a number of more than 0 and at most 1", r.text("NEAR_LIMIT_RATIO"))
	}
	envoy.NearLimitRatio = ratio
	bytes, err := strconv.Atoi(r.text("LOCAL_CACHE_SIZE_IN_BYTES"))
	if err != nil {
		r.fault("LOCAL_CACHE_SIZE_IN_BYTES", "it is %.64q; it must be a whole number", r.text("LOCAL_CACHE_SIZE_IN_BYTES"))
	}
	envoy.DenyCache = bytes > 0
	envoy.ResponseHeaders = r.yes("LIMIT_RESPONSE_HEADERS_ENABLED")
	envoy.LimitHeader, envoy.RemainingHeader = r.text("LIMIT_LIMIT_HEADER"), r.text("LIMIT_REMAINING_HEADER")
	envoy.ResetHeader = r.text("LIMIT_RESET_HEADER")
	envoy.ShadowMode, envoy.QuotaMode = r.yes("SHADOW_MODE"), r.yes("QUOTA_MODE")
	envoy.DynamicMetadata = r.yes("RESPONSE_DYNAMIC_METADATA")
}

func (r *reader) process() {
	r.settings.LogJSON = strings.EqualFold(r.text("LOG_FORMAT"), "json")
	level := strings.ToLower(r.text("LOG_LEVEL"))
	levels := map[string]slog.Level{
		"trace": slog.LevelDebug, "debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "warning": slog.LevelWarn,
		"error": slog.LevelError, "fatal": slog.LevelError, "panic": slog.LevelError,
	}
	known := false
	if r.settings.LogLevel, known = levels[level]; !known {
		r.fault("LOG_LEVEL", "it is %.64q; it must be debug, info, warn or error", level)
	}
	if r.yes("USE_PROMETHEUS") {
		r.settings.MetricsAddress, r.settings.MetricsPath = r.text("PROMETHEUS_ADDR"), r.text("PROMETHEUS_PATH")
		if !strings.HasPrefix(r.settings.MetricsPath, "/") {
			r.fault("PROMETHEUS_PATH", "it is %.64q; it must begin with /", r.settings.MetricsPath)
		}
	}
}
