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
	markdown, profile := filepath.Join(dir, "out.md"), filepath.Join(dir, "cpu")
	var out bytes.Buffer
	args := []string{"-rounds", "1", "-duration", "5ms", "-only", "memory/hot/1/|redis/hot/1/(sluice token-bucket|redis_rate)", "-markdown", markdown, "-cpuprofile", profile}
	if err := run(t.Context(), args, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(markdown)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{out.String(), string(written)} {
		for _, want := range []string{"sluice token-bucket", "redis_rate", "go-limiter", "x/time", "throttled", "ulule", "Behind the best rival in"} {
			if !strings.Contains(text, want) {
				t.Errorf("the report has no %q:\n%s", want, text)
			}
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
		for _, g := range plan(regexp.MustCompile(only)) {
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
	for _, store := range []string{"redis", "memory"} {
		for _, load := range []string{"spread/1", "spread/16", "spread/256", "hot/1", "hot/16", "hot/256"} {
			for _, limiter := range []string{"sluice token-bucket", "sluice sliding-window", "throttled", "ulule"} {
				if name := store + "/" + load + "/" + limiter; !seen[name] {
					t.Errorf("%s is not measured", name)
				}
			}
		}
	}
	if got := strings.Join(names("redis/hot/16/redis_rate"), " "); got != "redis/hot/16/redis_rate" {
		t.Errorf("plan by one row's name = %s, want that row", got)
	}
}
