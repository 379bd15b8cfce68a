package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-project/sluice/internal/redistest"
)

// TestForgottenShares has a server decide more keys by its share than it has room for: it says how many it has forgotten.
func TestForgottenShares(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, redistest.Options{})
	redis.Stop()
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	if err := os.WriteFile(file, []byte("policies: {api: {limits: [9/h], on_error: local}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := run(t, file, map[string]string{"store": redis.URL(), "store_max_keys": "1"})
	const keys = 300 // more than there can be shards
	for i := range keys {
		if _, body := r.ask("POST", "/v1/check", fmt.Sprintf(`{"policy":"api","key":"k%d"}`, i)); !strings.Contains(body, `"source":"fallback"`) {
			t.Fatalf("without Redis a check is answered %s", body)
		}
	}
	_, metrics := r.ask("GET", "/metrics", "")
	count := func(name string) (n int) {
		if line := regexp.MustCompile(`(?m)^` + name + ` (\d+)$`).FindStringSubmatch(metrics); line != nil {
			_, _ = fmt.Sscan(line[1], &n) // they are digits
		}
		return n
	}
	if held, forgotten := count("sluice_fallback_keys"), count("sluice_fallback_keys_evicted_total"); forgotten == 0 || held+forgotten != keys {
		t.Errorf("of %d keys %d are held and %d were forgotten", keys, held, forgotten)
	}
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range regexp.MustCompile(`(?m)^# TYPE (sluice_\w+) `).FindAllStringSubmatch(metrics, -1) {
		if name := line[1]; !strings.Contains(string(page), "`"+name+"`") && !strings.Contains(string(page), "`"+name+"{") {
			t.Errorf("docs/operations.md does not list %s", name)
		}
	}
}
