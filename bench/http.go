package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// callers is how many connections a server over HTTP has, each with a caller that waits for its answer.
const callers = 64

// httpGroup is whole servers, asked over HTTP.
func httpGroup() group {
	p := &programs{}
	g := group{
		name: "http", title: "Servers over HTTP", redis: true, allowance: plenty, ready: p.build,
		columns: slices.Concat(loadColumns, []column{cpuColumn, failedColumn}, bestColumns, cpuColumns),
		metrics: []metric{rateMetric, p50Metric, p99Metric, cpuMetric},
		note:    fmt.Sprintf("Each of %d connections is used by a goroutine of one Go client, which takes its share of the cores too. Server CPU is what the server's process uses for a decision, Redis not counted; p50 and p99 are of a call. With 64 connections in place of 10, the rival also gathers what it writes to Redis for 150us.", callers),
	}
	keys := makeKeys(spreadKeys)
	for i, batch := range []int{1, 100} {
		g.add([]string{"check", "checks"}[i], keys, callers, 1, p.serve(batch), p.rival(batch, nil),
			p.rival(batch, []string{"REDIS_POOL_SIZE=64", "REDIS_PIPELINE_WINDOW=150us"}))
		g.contests[i].keys = count(batch) + " a call"
	}
	return g
}

// serve is sluice serve with one policy.
func (p *programs) serve(batch int) limiter {
	return limiter{name: "sluice serve" + perCall(batch), ours: true, batch: batch, open: func(s *scope, a allowance) (ask, error) {
		addrs, err := s.serve(service{
			ports: 1,
			command: func(dir string, addrs []string) (*exec.Cmd, error) {
				file := filepath.Join(dir, "sluice.yaml")
				config := fmt.Sprintf("listen: {http: '%s'}\nstore: redis://%s\nstore_timeout: %s\npolicies: {api: {limits: [%s]}}\n",
					addrs[0], s.server.addr, patience, tokenBucket(a)[0])
				return exec.Command(p.sluice, "serve", "--config", file), os.WriteFile(file, []byte(config), 0o644)
			},
			answers: healthy("/readyz"),
		})
		if err != nil {
			return nil, err
		}
		return askSluice("http://"+addrs[0], batch), nil
	}}
}

// rival is envoyproxy/ratelimit with one limit, configured as its README says. Its limits are fixed windows.
func (p *programs) rival(batch int, env []string) limiter {
	return limiter{name: rivalName(batch, env), batch: batch, open: func(s *scope, a allowance) (ask, error) {
		config := fmt.Sprintf("domain: api\ndescriptors:\n  - key: user\n    rate_limit: {unit: day, requests_per_unit: %d}\n", a.burst)
		addrs, err := p.startRival(s, config, append(env, countsForPrometheus))
		if err != nil {
			return nil, err
		}
		return askRatelimit("http://"+addrs[0], batch), nil
	}}
}

// countsForPrometheus has the rival count what it does, as ours does.
const countsForPrometheus = "USE_PROMETHEUS=true"

// rivalName is what envoyproxy/ratelimit is called.
func rivalName(batch int, env []string) string {
	name := "envoy ratelimit" + perCall(batch)
	if env != nil {
		name += ", pool 64"
	}
	return name
}

// startRival starts envoyproxy/ratelimit with one file and returns its addresses: HTTP, gRPC and one for looking into it. env
// says whether it counts what it does: told nothing of that, it would write a line for each request.
func (p *programs) startRival(s *scope, config string, env []string) ([]string, error) {
	return s.serve(service{
		ports: 4,
		command: func(dir string, addrs []string) (*exec.Cmd, error) {
			cmd := exec.Command(p.ratelimit)
			cmd.Env = append(os.Environ(), "HOST=127.0.0.1", "PORT="+portOf(addrs[0]), "GRPC_HOST=127.0.0.1", "GRPC_PORT="+portOf(addrs[1]),
				"DEBUG_HOST=127.0.0.1", "DEBUG_PORT="+portOf(addrs[2]), "USE_STATSD=false", "PROMETHEUS_ADDR="+addrs[3], "LOG_LEVEL=error",
				"REDIS_SOCKET_TYPE=tcp", "REDIS_URL="+s.server.addr, "RUNTIME_ROOT="+dir, "RUNTIME_SUBDIRECTORY=ratelimit", "RUNTIME_WATCH_ROOT=false")
			cmd.Env = append(cmd.Env, env...)
			folder := filepath.Join(dir, "ratelimit", "config")
			return cmd, errors.Join(os.MkdirAll(folder, 0o755), os.WriteFile(filepath.Join(folder, "api.yaml"), []byte(config), 0o644))
		},
		answers: healthy("/healthcheck"),
	})
}

func perCall(batch int) string {
	if batch == 1 {
		return ""
	}
	return fmt.Sprintf(", %d a call", batch)
}

// serve starts a server that ends with the scope, and returns its addresses.
func (s *scope) serve(how service) ([]string, error) {
	p, addrs, err := launch(context.Background(), how)
	if err != nil {
		return nil, err
	}
	s.atEnd(p.stop)
	s.cpu = p.cpu
	return addrs, nil
}

// healthy returns a function that asks whether a server is up.
func healthy(path string) func(ctx context.Context, pid int, addrs []string) error {
	return func(ctx context.Context, _ int, addrs []string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addrs[0]+path, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s is %s", path, resp.Status)
		}
		return nil
	}
}

// askSluice returns an ask of POST /v1/check, or of /v1/checks for a batch. What the store has not decided has failed.
func askSluice(server string, batch int) ask {
	path := "/v1/check"
	if batch > 1 {
		path = "/v1/checks"
	}
	return askServer(server+path, batch, func(keys []string) string {
		var b strings.Builder
		for i, key := range keys {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`{"policy":"api","key":"` + key + `"}`)
		}
		if batch > 1 {
			return `{"checks":[` + b.String() + `]}`
		}
		return b.String()
	}, func(body []byte) (allowed, decided int) {
		return bytes.Count(body, []byte(`"allowed":true`)), bytes.Count(body, []byte(`"source":"store"`))
	})
}

// askRatelimit returns an ask of POST /json with a descriptor for each key.
func askRatelimit(server string, batch int) ask {
	return askServer(server+"/json", batch, func(keys []string) string {
		var b strings.Builder
		for i, key := range keys {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`{"entries":[{"key":"user","value":"` + key + `"}]}`)
		}
		return `{"domain":"api","descriptors":[` + b.String() + `]}`
	}, func(body []byte) (allowed, decided int) {
		body = bytes.ReplaceAll(body, []byte(`: `), []byte(`:`)) // its encoder adds spaces in some builds
		return bytes.Count(body, []byte(`"code":"OK"`)), bytes.Count(body, []byte(`"code":`))
	})
}

// askServer returns an ask that posts a body about a key, or about a batch, and reads how many were allowed and decided.
func askServer(url string, batch int, body func(keys []string) string, read func(body []byte) (allowed, decided int)) ask {
	client := &http.Client{
		Timeout:   patience,
		Transport: &http.Transport{MaxIdleConnsPerHost: callers, MaxConnsPerHost: callers},
	}
	keysOf := following(spreadKeys, batch)
	return func(ctx context.Context, key string) (bool, error) {
		keys, err := keysOf(key)
		if err != nil {
			return false, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body(keys)))
		if err != nil {
			return false, err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return false, err
		}
		answer, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return false, err
		}
		allowed, decided := read(answer)
		if decided != batch {
			return false, fmt.Errorf("%s decided %d of %d: status %d, %.200s", url, decided, batch, resp.StatusCode, answer)
		}
		return allOrNone(allowed, batch)
	}
}
