package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// How h2load asks: so many connections, of which each has so many requests under way.
const (
	h2Connections = 4
	h2Streams     = 32
)

// shouldRateLimit is the call of Envoy's protocol.
const shouldRateLimit = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"

// envoyGroup is whole servers, asked by Envoy's protocol.
func envoyGroup() group {
	p := &programs{}
	g := group{
		name: "envoy", title: "Envoy's protocol", redis: true, allowance: plenty, ready: p.buildWithH2load,
		columns: []column{loadColumns[0], loadColumns[2], loadColumns[3], loadColumns[4], cpuColumn, callsColumn, failedColumn, bestColumns[0], cpuColumns[0]},
		metrics: []metric{rateMetric, cpuMetric},
		note: fmt.Sprintf("gRPC by `h2load -c %d -m %d`, which sends one body: all requests are of one key. Its client takes little of the cores. Server CPU is what the server's process uses for a request, Redis not counted. After each run a server must have counted every request of it. Both count what they do for Prometheus, but where the rival has no metrics; with pool 64 it also gathers what it writes to Redis for 150us.",
			h2Connections, h2Streams),
	}
	g.add("hot", makeKeys(1), h2Connections*h2Streams, 1, p.serveEnvoy(), p.rivalEnvoy("", countsForPrometheus),
		p.rivalEnvoy(", no metrics", "DISABLE_STATS=true"),
		p.rivalEnvoy(", pool 64", countsForPrometheus, "REDIS_POOL_SIZE=64", "REDIS_PIPELINE_WINDOW=150us"))
	for i := range g.contests {
		g.contests[i].drive = p.h2load
	}
	return g
}

// yearly is a rate limit file with one rule. A window of a year hardly ever ends while it is measured.
func yearly(a allowance) string {
	return fmt.Sprintf("domain: api\ndescriptors:\n  - key: user\n    rate_limit: {unit: year, requests_per_unit: %d}\n", a.burst)
}

// serveEnvoy is sluice serve by the rival's own file.
func (p *programs) serveEnvoy() limiter {
	return limiter{name: "sluice serve", ours: true, open: func(s *scope, a allowance) (ask, error) {
		addrs, err := s.serve(service{
			ports: 2,
			command: func(dir string, addrs []string) (*exec.Cmd, error) {
				file, rules := filepath.Join(dir, "sluice.yaml"), filepath.Join(dir, "ratelimit")
				config := fmt.Sprintf("listen: {http: '%s', grpc: '%s'}\nstore: redis://%s\nstore_timeout: %s\nenvoy: {directory: '%s', on_error: deny}\n",
					addrs[0], addrs[1], s.server.addr, patience, rules)
				return exec.Command(p.sluice, "serve", "--config", file), errors.Join(
					os.Mkdir(rules, 0o755), os.WriteFile(filepath.Join(rules, "api.yaml"), []byte(yearly(a)), 0o644),
					os.WriteFile(file, []byte(config), 0o644))
			},
			answers: healthy("/readyz"),
		})
		if err != nil {
			return nil, err
		}
		return s.askEnvoy(addrs[1]), nil
	}}
}

// rivalEnvoy is envoyproxy/ratelimit.
func (p *programs) rivalEnvoy(what string, env ...string) limiter {
	return limiter{name: "envoy ratelimit" + what, open: func(s *scope, a allowance) (ask, error) {
		addrs, err := p.startRival(s, yearly(a), env)
		if err != nil {
			return nil, err
		}
		return s.askEnvoy(addrs[1]), nil
	}}
}

// askEnvoy returns an ask of a server by Envoy's protocol, and notes for h2load where it is.
func (s *scope) askEnvoy(addr string) ask {
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Timeout: patience, Transport: transport}
	s.grpc = addr
	s.remaining = func(ctx context.Context, key string) (allowed bool, remaining int64, err error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+shouldRateLimit, bytes.NewReader(envoyMessage(key)))
		if err != nil {
			return false, 0, err
		}
		req.Header.Set("Content-Type", "application/grpc")
		req.Header.Set("TE", "trailers")
		resp, err := client.Do(req)
		if err != nil {
			return false, 0, err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return false, 0, err
		}
		if status := resp.Trailer.Get("Grpc-Status"); status != "0" {
			return false, 0, fmt.Errorf("%s answers the gRPC status %q: %s", addr, status, resp.Trailer.Get("Grpc-Message"))
		}
		return readEnvoy(body)
	}
	return func(ctx context.Context, key string) (bool, error) {
		allowed, _, err := s.remaining(ctx, key)
		return allowed, err
	}
}

// envoyMessage returns a RateLimitRequest about a user in the domain api, as gRPC frames it. No text in it is longer than a
// length of one byte can say.
func envoyMessage(user string) []byte {
	field := func(number byte, content string) string {
		return string([]byte{number<<3 | 2, byte(len(content))}) + content
	}
	entry := field(1, "user") + field(2, user)
	message := field(1, "api") + field(2, field(1, entry))
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// readEnvoy reads whether a framed RateLimitResponse with one status allows, and what remains.
func readEnvoy(frame []byte) (allowed bool, remaining int64, err error) {
	bad := fmt.Errorf("%x is no answer about one limit", frame)
	if len(frame) < 5 || frame[0] != 0 || int(binary.BigEndian.Uint32(frame[1:])) != len(frame)-5 {
		return false, 0, bad
	}
	overall, statuses, ok := fields(frame[5:])
	status, limit, well := fields(statuses[2])
	code := overall[1]
	if !ok || !well || code != 1 && code != 2 || status[1] != code || limit[2] == nil { // one without a limit was not decided
		return false, 0, bad
	}
	return code == 1, int64(status[3]), nil
}

// fields reads the fields of a protobuf message: numbers, and what has a length, of each the last.
func fields(message []byte) (numbers map[uint64]uint64, bytes map[uint64][]byte, ok bool) {
	numbers, bytes = map[uint64]uint64{}, map[uint64][]byte{}
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 {
			return nil, nil, false
		}
		value, m := binary.Uvarint(message[n:])
		if m <= 0 {
			return nil, nil, false
		}
		message = message[n+m:]
		switch {
		case tag&7 == 0:
			numbers[tag>>3] = value
		case tag&7 == 2 && value <= uint64(len(message)):
			bytes[tag>>3], message = message[:value], message[value:]
		default:
			return nil, nil, false
		}
	}
	return numbers, bytes, true
}

// buildWithH2load builds the servers, and looks for h2load.
func (p *programs) buildWithH2load(ctx context.Context, progress io.Writer) error {
	root, err := sluiceRoot(ctx)
	if err != nil {
		return err
	}
	if p.h2loadPath, err = exec.LookPath("h2load"); err != nil {
		p.h2loadPath = filepath.Join(root, ".tools", "programs", "bin", "h2load")
		if _, err := os.Stat(p.h2loadPath); err != nil {
			return fmt.Errorf("%w: \"make bench\" brings h2load on Debian; elsewhere install nghttp2", err)
		}
	}
	return p.build(ctx, progress)
}

// h2load lets h2load ask for the first of the keys.
func (p *programs) h2load(ctx context.Context, e *entrant, duration time.Duration) (figures, error) {
	key := e.asked.at(0)
	dir, err := os.MkdirTemp("", "sluice-bench")
	if err != nil {
		return figures{}, err
	}
	defer os.RemoveAll(dir)
	body := filepath.Join(dir, "body")
	if err := os.WriteFile(body, envoyMessage(key), 0o644); err != nil {
		return figures{}, err
	}
	_, before, err := e.scope.remaining(ctx, key)
	if err != nil {
		return figures{}, err
	}
	used, err := e.scope.usage(ctx)
	if err != nil {
		return figures{}, err
	}
	cmd := exec.CommandContext(ctx, p.h2loadPath, "-c", strconv.Itoa(h2Connections), "-m", strconv.Itoa(h2Streams),
		"-D", fmt.Sprintf("%dms", duration.Milliseconds()), "-d", body, "-H", "content-type: application/grpc", "-H", "te: trailers",
		"http://"+e.scope.grpc+shouldRateLimit)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return figures{}, fmt.Errorf("%s: %w: %s", cmd, err, out)
	}
	usedNow, err := e.scope.usage(ctx)
	if err != nil {
		return figures{}, err
	}
	perSecond, done, failed, err := readH2load(string(out))
	if err != nil {
		return figures{}, err
	}
	allowed, after, err := e.scope.remaining(ctx, key)
	if err != nil {
		return figures{}, err
	}
	// h2load gives up what is under way when its time is over, and what it sends meanwhile: the server may have counted that.
	counted := before - after - 1
	if most := done + 2*h2Connections*h2Streams; !allowed || counted < done-failed || counted > most {
		return figures{}, fmt.Errorf("%d requests had an answer, but %d were counted (allowed is %t)", done, counted, allowed)
	}
	decisions := float64(counted)
	return figures{
		perSecond: perSecond * float64(done-failed) / float64(done), failed: float64(failed) / float64(done),
		cpu: float64(usedNow.cpu-used.cpu) / decisions, calls: float64(usedNow.calls-used.calls) / decisions,
	}, nil
}

var (
	h2Rate     = regexp.MustCompile(`(?m)^finished in [^,]+, ([0-9.]+) req/s`)
	h2Requests = regexp.MustCompile(`(?m)^requests: .* ([0-9]+) done, ([0-9]+) succeeded, ([0-9]+) failed`)
)

// readH2load reads what h2load has found.
func readH2load(text string) (perSecond float64, done, failed int64, err error) {
	rate, requests := h2Rate.FindStringSubmatch(text), h2Requests.FindStringSubmatch(text)
	if rate == nil || requests == nil {
		return 0, 0, 0, fmt.Errorf("h2load says nothing of its requests: %s", strings.TrimSpace(text))
	}
	perSecond, err = strconv.ParseFloat(rate[1], 64)
	done, errDone := strconv.ParseInt(requests[1], 10, 64)
	failed, errFailed := strconv.ParseInt(requests[3], 10, 64)
	if err = errors.Join(err, errDone, errFailed); err == nil && done == 0 {
		err = fmt.Errorf("h2load had no answer: %s", strings.TrimSpace(text))
	}
	return perSecond, done, failed, err
}
