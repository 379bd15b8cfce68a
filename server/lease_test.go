package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-project/sluice/internal/redistest"
)

// TestLeases has two servers on one Redis, which take units ahead: together they admit what the policy allows, and a
// block and an override that are made at one of them end what it holds.
func TestLeases(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, redistest.Options{})
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	const policies = "store_timeout: 5s\npolicies:\n  api: {limits: [1000/h burst 1000], lease: {share: 50%, ttl: 5s}}\n"
	if err := os.WriteFile(file, []byte(policies), 0o600); err != nil {
		t.Fatal(err)
	}
	here := run(t, file, map[string]string{"store": redis.URL()})
	there := run(t, file, map[string]string{"store": redis.URL()})
	check := func(r *running, key string) string {
		status, body := r.ask("POST", "/v1/check", `{"policy":"api","key":"`+key+`"}`)
		if status != 200 {
			t.Fatalf("check: %d %s", status, body)
		}
		return body
	}
	const allowed, byLease = `"allowed":true`, `"source":"lease"`
	here.eventually("Redis answers", func() bool { return strings.Contains(check(here, "first"), `"source":"store"`) })

	admitted, leased, begun := 0, 0, time.Now()
	for range 1500 {
		for _, r := range []*running{here, there} {
			body := check(r, "both")
			if strings.Contains(body, allowed) {
				admitted++
			}
			if strings.Contains(body, byLease) {
				leased++
			}
		}
	}
	more := int(time.Since(begun)/(3600*time.Millisecond)) + 1 // have come back meanwhile
	if admitted < 1000 || admitted > 1000+more || leased < 500 {
		t.Errorf("%d were admitted by two servers, %d of them by lease, want 1000 and %d at most, and most of them", admitted, leased, more)
	}

	for _, change := range []struct {
		call, body, then string
	}{
		{"/v1/policies/api/key/block?key=", `{"for_ms":60000}`, `"allowed":false`},
		{"/v1/policies/api/key/override?key=", `{"limits":["7/h burst 7"]}`, `"remaining":0`},
	} {
		key := "changed"
		here.eventually("units are lent", func() bool { return strings.Contains(check(here, key), byLease) })
		if status, body := here.ask("PUT", change.call+key, change.body); status >= 300 {
			t.Fatalf("%s: %d %s", change.call, status, body)
		}
		if body := check(here, key); !strings.Contains(body, change.then) || !strings.Contains(body, `"source":"store"`) {
			t.Errorf("after %s: %s", change.call, body)
		}
		here.ask("DELETE", "/v1/policies/api/key/block?key="+key, "")
	}
	_, metrics := here.ask("GET", "/metrics", "")
	for _, want := range []string{`sluice_decisions_total{outcome="allowed",policy="api",source="lease"}`, "sluice_lease_keys ", "sluice_lease_asks_total "} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics do not have %s", want)
		}
	}
}
