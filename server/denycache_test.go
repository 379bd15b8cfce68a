package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-project/sluice/internal/redistest"
)

// TestDenyCache has two servers on one Redis: each answers from memory who is refused, what is done here is seen at once,
// and what is done there within a second.
func TestDenyCache(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, redistest.Options{})
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	const policies = "store_timeout: 5s\npolicies:\n  api: {limits: [5/h burst 5], deny_cache: true}\n  plain: {limits: [5/h burst 5]}\n"
	if err := os.WriteFile(file, []byte(policies), 0o600); err != nil {
		t.Fatal(err)
	}
	here := run(t, file, map[string]string{"store": redis.URL()})
	there := run(t, file, map[string]string{"store": redis.URL()})
	check := func(r *running, key string) string {
		status, body := r.ask("POST", "/v1/check", `{"policy":"api","key":"`+key+`","cost":5}`)
		if status != 200 {
			t.Fatalf("check: %d %s", status, body)
		}
		return body
	}
	const allowed, remembered = `"allowed":true`, `"source":"deny-cache"`
	refuse := func(r *running, key string) {
		check(r, key)
		check(r, key)
		r.eventually("it is refused from memory", func() bool { return strings.Contains(check(r, key), remembered) })
	}
	here.eventually("Redis answers", func() bool { return strings.Contains(check(here, "first"), `"source":"store"`) })
	for name, do := range map[string]func(r *running) (int, string){
		"reset": func(r *running) (int, string) { return r.ask("DELETE", "/v1/policies/api/key?key=reset", "") },
		"override": func(r *running) (int, string) {
			return r.ask("PUT", "/v1/policies/api/key/override?key=override", `{"limits":["5/h burst 50"]}`)
		},
		"all": func(r *running) (int, string) { return r.ask("POST", "/v1/policies/api/reset", "") },
	} {
		for at, r := range map[string]*running{"here": here, "there": there} {
			here.ask("DELETE", "/v1/policies/api/key/override?key="+name, "")
			here.ask("DELETE", "/v1/policies/api/key?key="+name, "")
			refuse(here, name)
			if status, body := do(r); status >= 300 {
				t.Fatalf("%s: %d %s", name, status, body)
			}
			within := time.Second
			if at == "here" {
				within = 0
			}
			if took := here.seen(func() bool { return strings.Contains(check(here, name), allowed) }); took > within {
				t.Errorf("%s %s is seen %s later, want %s at most", name, at, took, within)
			}
		}
	}
	refuse(here, "raised")
	if status, body := there.ask("PUT", "/v1/policies/api", `{"limits":["5/h burst 50"],"deny_cache":true}`); status != 200 {
		t.Fatalf("raise: %d %s", status, body)
	}
	if took := here.seen(func() bool { return strings.Contains(check(here, "raised"), allowed) }); took > time.Second {
		t.Errorf("a limit that was raised there is in force here %s later, want a second at most", took)
	}
	for range 3 {
		if _, body := here.ask("POST", "/v1/check", `{"policy":"plain","key":"k","cost":6}`); !strings.Contains(body, `"source":"store"`) {
			t.Errorf("a policy without the field: %s", body)
		}
	}
	_, metrics := here.ask("GET", "/metrics", "")
	for _, want := range []string{`sluice_decisions_total{outcome="denied",policy="api",source="deny-cache"}`, "sluice_deny_cache_keys ", "sluice_deny_cache_evicted_total 0"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// seen returns after how long the last look began that did not see what is looked for; 0 where the first one does.
func (r *running) seen(look func() bool) (took time.Duration) {
	r.t.Helper()
	begun := time.Now()
	for {
		asked := time.Since(begun)
		if look() {
			return took
		}
		if took = max(asked, 1); took > 10*time.Second {
			r.t.Fatal("it is not seen at all")
		}
		time.Sleep(time.Millisecond)
	}
}
