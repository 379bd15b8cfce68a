package server_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sluice-project/sluice/internal/redistest"
)

// TestOutage has two servers on one Redis that freezes: they know of each other, decide by their shares while it does not
// answer, do not wait for it, and say so everywhere; and are as before when it is back.
func TestOutage(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, redistest.Options{})
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	const policies = "store_timeout: 300ms\npolicies:\n  api: {key: ip, limits: [9/h], on_error: local}\n"
	if err := os.WriteFile(file, []byte(policies), 0o600); err != nil {
		t.Fatal(err)
	}
	here := run(t, file, map[string]string{"store": redis.URL()})
	there := run(t, file, map[string]string{"store": redis.URL()})
	both := []*running{here, there}
	check := func(r *running, key string) string {
		status, body := r.ask("POST", "/v1/check", `{"policy":"api","key":"`+key+`"}`)
		if status != 200 {
			t.Fatalf("check: %d %s", status, body)
		}
		return body
	}
	const allowed, byShare = `"allowed":true`, `"source":"fallback"`
	for _, r := range both {
		r.eventually("the servers know of each other", r.answers("GET", "/metrics", "", "sluice_live_servers 2\n"))
		r.eventually("all is well", r.answers("GET", "/readyz", "", `"status":"ok"`))
	}

	redis.Pause(t)
	admitted := map[*running]int{}
	for range 8 {
		for _, r := range both {
			body := check(r, "k")
			if !strings.Contains(body, byShare) || !strings.Contains(body, `"limit":"9/hour"`) {
				t.Fatalf("with Redis frozen a check is answered %s", body)
			}
			if strings.Contains(body, allowed) {
				admitted[r]++
			}
		}
	}
	if a, b := admitted[here], admitted[there]; max(a, b) != 5 || min(a, b) != 4 {
		t.Errorf("of 9 units the servers admit %d and %d, want 5 and 4", a, b)
	}
	status, body := here.ask("GET", "/v1/policies/api/key?key=k", "")
	if status != 503 {
		t.Errorf("a look at the key, of which the block is in Redis, is answered %d %s", status, body)
	}
	opened := regexp.MustCompile(`sluice_breaker_openings_total [1-9]`)
	for _, r := range both {
		r.eventually("the breaker is open", r.answers("GET", "/metrics", "", "sluice_breaker_open 1\n"))
		begun := time.Now()
		for range 20 {
			check(r, "another")
		}
		if took := time.Since(begun); took > 3*time.Second { // 20 that waited would take twice as long
			t.Errorf("20 checks of a Redis that is known not to answer took %s", took)
		}
		_, metrics := r.ask("GET", "/metrics", "")
		for _, want := range []string{`policy="api",source="fallback"}`, "sluice_live_servers 2\n", "sluice_fallback_keys 2\n"} {
			if !strings.Contains(metrics, want) {
				t.Errorf("the metrics do not have %s", want)
			}
		}
		if !opened.MatchString(metrics) {
			t.Error("the metrics do not count that the breaker was opened")
		}
		if status, body := r.ask("GET", "/readyz", ""); status != 200 || !strings.Contains(body, `"status":"degraded"`) || !strings.Contains(body, "not asked until it answers") {
			t.Errorf("readyz = %d %s", status, body)
		}
		if n := strings.Count(r.log.String(), "the store fails"); n != 1 {
			t.Errorf("the log says %d times that the store fails, want once", n)
		}
	}

	redis.Continue(t)
	for _, r := range both {
		r.eventually("the store decides again", func() bool { return strings.Contains(check(r, "k"), `"source":"store"`) })
		r.eventually("all is well again", r.answers("GET", "/readyz", "", `"status":"ok"`))
		r.eventually("the breaker is closed", r.answers("GET", "/metrics", "", "sluice_breaker_open 0\n"))
	}
	there.stop()
	<-there.done
	if n := redis.Do(t, "HLEN", "sluice:{~fleet}servers"); n != int64(1) {
		t.Errorf("%d servers are counted when one of two has ended", n)
	}
	here.eventually("a server that has ended is not counted", here.answers("GET", "/metrics", "", "sluice_live_servers 1\n"))
}

// TestRedisWithoutMemory has a Redis refuse all that writes, and answer all that looks: a check now and then is enough for the
// server to say so all the while, once in the log, and nobody need ask for it to see that it is over.
func TestRedisWithoutMemory(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, redistest.Options{})
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	if err := os.WriteFile(file, []byte("policies:\n  api: {key: ip, limits: [9000/h]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := run(t, file, map[string]string{"store": redis.URL()})
	r.eventually("all is well", r.answers("GET", "/readyz", "", `"status":"ok"`))
	if keys := redis.Do(t, "KEYS", "*probe*").([]any); len(keys) != 0 {
		t.Errorf("Redis holds %s: to look whether it answers writes nothing", keys)
	}
	redis.Do(t, "CONFIG", "SET", "maxmemory", "1")
	if _, body := r.ask("POST", "/v1/check", `{"policy":"api","key":"k"}`); !strings.Contains(body, `"source":"error-policy"`) {
		t.Fatalf("a check of a Redis without memory is answered %s", body)
	}
	for begun := time.Now(); time.Since(begun) < 2*time.Second; time.Sleep(50 * time.Millisecond) {
		if _, body := r.ask("GET", "/readyz", ""); !strings.Contains(body, `"status":"degraded"`) || !strings.Contains(body, "OOM") {
			t.Fatalf("%s after a check was refused: readyz = %s", time.Since(begun), body)
		}
	}
	redis.Do(t, "CONFIG", "SET", "maxmemory", "0")
	r.eventually("all is well again", r.answers("GET", "/readyz", "", `"status":"ok"`))
	if n := strings.Count(r.log.String(), "the store "); n != 2 {
		t.Errorf("the log says %d times how the store is, want that it fails and that it answers again: %s", n, r.log.String())
	}
	if ttl := redis.Do(t, "PTTL", "sluice:{~probe|probe}"); ttl == int64(-1) {
		t.Error("what the probe wrote stays for ever")
	}
}
