package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	profile := filepath.Join(dir, "cpu")
	var out bytes.Buffer
	args := []string{"-rounds", "1", "-duration", "5ms", "-only", "memory/hot/1/|redis/hot/1/(sluice|redis_rate|bare)|growth/batch/1/", "-docs", dir, "-cpuprofile", profile}
	if err := run(t.Context(), args, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"sluice token-bucket", "redis_rate", "bare GET", "go-limiter", "x/time", "throttled", "ulule", "1,000 keys a batch",
		"goals are reached", "Behind the best rival in", "A part of a run",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report has no %q:\n%s", want, out.String())
		}
	}
	if info, err := os.Stat(profile); err != nil || info.Size() == 0 {
		t.Errorf("profile: %v, %v, want a file with something in it", info, err)
	}
}

func TestBadArguments(t *testing.T) {
	for args, want := range map[string]string{
		"-rounds 0":       "-rounds is 0",
		"-duration 1us":   "-duration is 1µs",
		"-only (":         "-only:",
		"-only nosuchrow": "matches no row",
		"redis":           `an argument "redis"`,
		"-unknown":        "not defined",
	} {
		err := run(t.Context(), strings.Fields(args), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("run %q = %v, want %q", args, err, want)
		}
	}
}

func TestShort(t *testing.T) {
	s, err := parse([]string{"-short"}, io.Discard)
	if err != nil || s.rounds != shortRounds || s.duration != shortDuration {
		t.Errorf("-short = %+v, %v, want %d rounds of %s", s, err, shortRounds, shortDuration)
	}
}

func TestPlan(t *testing.T) {
	names := func(only string) (all []string) {
		s := everything()
		s.only = regexp.MustCompile(only)
		for _, g := range plan(s) {
			for _, c := range g.contests {
				for _, l := range c.limiters {
					all = append(all, c.name+"/"+l.name)
				}
			}
		}
		return all
	}
	seen := map[string]bool{}
	for _, name := range names("") {
		if seen[name] {
			t.Errorf("%s is measured twice", name)
		}
		seen[name] = true
	}
	for _, name := range []string{
		"redis/spread/1/bare GET", "redis/spread/16/throttled", "redis/spread/256/sluice sliding-window",
		"redis/spread/256/sluice 3 buckets", "redis/spread/256/redis_rate, pool 256", "redis/spread/1024/redis_rate",
		"redis/spread/1024/redis_rate, pool 1024", "redis/hot/1/sluice token-bucket", "redis/hot/256/ulule, pool 256",
		"memory/spread/1/x/time", "memory/hot/256/sluice sliding-window", "weight/sluice fixed-window", "weight/ulule",
		"lease/hot/256/sluice lease", "lease/spread/256/redis_rate, pool 256", "deny/hot/256/sluice deny cache", "deny/hot/1/redis_rate",
		"http/check/64/sluice serve", "http/checks/64/envoy ratelimit, 100 a call, pool 64", "growth/batch/16/1,000 keys a batch", "growth/live/256/10 keys in Redis", "growth/live/256/1,000 keys in Redis",
	} {
		if !seen[name] {
			t.Errorf("%s is not measured", name)
		}
	}
	for _, name := range []string{"redis/spread/16/redis_rate, pool 256", "redis/spread/1024/redis_rate, pool 256"} {
		if seen[name] {
			t.Errorf("%s is measured, want a wide pool only for as many goroutines", name)
		}
	}
	if got := strings.Join(names("redis/hot/16/redis_rate"), " "); got != "redis/hot/16/redis_rate" {
		t.Errorf("plan by one row's name = %s, want that row", got)
	}
}
