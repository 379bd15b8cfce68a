package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sluice-project/sluice/internal/redistest"
)

// TestClassicTutorial does what docs/classic.md says, with the configuration that is there, and compares what each
// command prints with what the page shows.
func TestClassicTutorial(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/classic.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	redis := redistest.Start(t, redistest.Options{})
	config := strings.Replace(block(t, string(page), "yaml"), "redis://127.0.0.1:6379", redis.URL(), 1)
	if !strings.Contains(config, redis.URL()) {
		t.Fatal("the page's configuration does not name the Redis that it says one needs")
	}
	for left := untilNextHour(); left < 20*time.Second; left = untilNextHour() {
		time.Sleep(left) // what the page shows is within one hour
	}
	s := startServer(t, writeConfig(t, config))
	s.waitReady(t)
	if err := os.WriteFile(filepath.Join(dir, "sluice.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program(t), filepath.Join(dir, "sluice")); err != nil {
		t.Fatal(err)
	}
	for _, session := range blocks(string(page), "console") {
		for _, step := range strings.Split("\n"+session, "\n$ ")[1:] {
			command, shown, _ := strings.Cut(step, "\n")
			cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "SLUICE_SERVER=http://"+s.addr)
			printed, err := cmd.CombinedOutput()
			if shown == "" { // what it prints is not shown
				if err != nil || len(printed) == 0 {
					t.Errorf("$ %s\n%s%v", command, printed, err)
				}
				continue
			}
			if got, want := withoutTimes(string(printed)), withoutTimes(shown+"\n"); got != want {
				t.Errorf("$ %s\nprints\n%swhich reads, without times,\n%swhere the page has\n%s", command, printed, got, want)
			}
		}
	}
}

func untilNextHour() time.Duration {
	now := time.Now()
	return now.Truncate(time.Hour).Add(time.Hour).Sub(now)
}

// times are what differs from one run to the next: instants, and what is left of an hour or of a quarter of one.
var times = []*regexp.Regexp{
	regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`),
	regexp.MustCompile(`\b(\d+h)?(\d+m)?(\d+(\.\d+)?s)?\b`),
}

// withoutTimes puts a T in the place of each time, and one space where there are several.
func withoutTimes(text string) string {
	for _, expression := range times {
		text = expression.ReplaceAllStringFunc(text, func(found string) string {
			if found == "" {
				return ""
			}
			return "T"
		})
	}
	return regexp.MustCompile(` +`).ReplaceAllString(text, " ")
}

// block returns the only code block of a language that a page has.
func block(t *testing.T, page, language string) string {
	t.Helper()
	all := blocks(page, language)
	if len(all) != 1 {
		t.Fatalf("the page has %d blocks of %s, want one", len(all), language)
	}
	return all[0]
}

// blocks returns the code blocks of a language, without the line break at their ends.
func blocks(page, language string) (all []string) {
	for _, part := range strings.Split(page, fmt.Sprintf("\n```%s\n", language))[1:] {
		code, _, _ := strings.Cut(part, "\n```")
		all = append(all, code)
	}
	return all
}
