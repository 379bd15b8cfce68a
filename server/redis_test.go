package server_test

import (
	"encoding/json"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-project/sluice/internal/redistest"
)

// A Redis that is not there keeps no server from starting, and is found when it comes.
func TestRedisComesLater(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, redistest.Options{})
	redis.Stop()
	r := run(t, "", map[string]string{"store": redis.URL(), "allow_inline_limits": "true"})
	r.eventually("it is degraded", r.answers("GET", "/readyz", "", `"degraded"`))
	if _, body := r.ask("GET", "/readyz", ""); !strings.Contains(body, "refused") || !strings.Contains(body, redis.Addr()) {
		t.Errorf("readyz says %s, want why and where", body)
	}
	began := time.Now()
	if status, body := r.ask("POST", "/v1/check", `{"policy":"api","key":"alice"}`); status != 200 || !strings.Contains(body, `"source":"error-policy"`) {
		t.Errorf("a check without Redis is answered %d %s, want 200 by on_error", status, body)
	}
	if status, body := r.ask("POST", "/v1/check", `{"limits":["1/s"],"key":"alice"}`); status != 503 || !strings.Contains(body, "start Redis there") {
		t.Errorf("own limits without Redis are answered %d %s, want 503 that says what to do", status, body)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("two checks without Redis took %s", took)
	}
	redis.Restart(t)
	r.eventually("Redis is found", r.answers("POST", "/v1/check", `{"policy":"api","key":"alice"}`, `"source":"store"`))
	r.eventually("it is ready", r.answers("GET", "/readyz", "", `{"status":"ok"}`))

	redis.Pause(t)
	began = time.Now()
	_, body := r.ask("POST", "/v1/check", `{"policy":"api","key":"alice"}`)
	if took := time.Since(began); !strings.Contains(body, `"source":"error-policy"`) || took > time.Second {
		t.Errorf("with a frozen Redis a check is answered %s after %s, want an answer by on_error within store_timeout", body, took)
	}
	r.eventually("it is degraded again", r.answers("GET", "/readyz", "", `"degraded"`))
	redis.Continue(t)
	r.eventually("it is ready again", r.answers("GET", "/readyz", "", `{"status":"ok"}`))

	keys := slices.DeleteFunc(redis.Do(t, "KEYS", "*").([]any), func(key any) bool {
		return strings.Contains(key.(string), "{~fleet}") || strings.Contains(key.(string), "{~probe|") // which was written while it failed
	})
	if len(keys) != 1 || keys[0] != "sluice:{api|alice}" {
		t.Errorf("Redis holds %s besides the ledger and the probe, want the key of alice alone", keys)
	}
	if strings.Contains(r.log.String(), "alice") {
		t.Errorf("the log names a key:\n%s", r.log)
	}
}

// The time that the store has is kept where it is longer than the client's own default, a second.
func TestStoreTimeoutBeyondASecond(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, redistest.Options{})
	r := run(t, "", map[string]string{"store": redis.URL(), "store_timeout": "8s"})
	r.eventually("Redis is found", r.answers("POST", "/v1/check", `{"policy":"api","key":"alice"}`, `"source":"store"`))
	redis.Pause(t)
	thawed := make(chan struct{})
	go func() {
		defer close(thawed)
		time.Sleep(2 * time.Second) // longer than the default, shorter than store_timeout
		redis.Continue(t)
	}()
	_, body := r.ask("POST", "/v1/check", `{"policy":"api","key":"alice"}`)
	<-thawed
	if !strings.Contains(body, `"source":"store"`) {
		t.Errorf("a check that Redis answers after 2 s of 8 s is answered %s, want it by the store\n%s", body, r.log)
	}
}

func TestRedisThatDoesNotLetIn(t *testing.T) {
	t.Parallel()
	guarded := redistest.Start(t, redistest.Options{Password: "open-sesame"})
	silent, err := net.Listen("tcp", "127.0.0.1:0") // its queue takes connections, and nobody answers them
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	for _, test := range []struct{ name, store, reason string }{
		{"wrong password", "redis://:not-sesame@" + guarded.Addr(), "it refuses the user or the password"},
		{"no password", "redis://" + guarded.Addr(), "it refuses the user or the password"},
		{"no answer", "redis://:not-sesame@" + silent.Addr().String(), "nothing answers there"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := run(t, "", map[string]string{"store": test.store, "ready_requires_store": "true"})
			r.eventually("the log says why", func() bool { return strings.Contains(r.log.String(), test.reason) })
			status, body := r.ask("GET", "/readyz", "")
			var problem struct{ Detail string }
			if err := json.Unmarshal([]byte(body), &problem); err != nil || status != 503 {
				t.Errorf("readyz is %d %s, want 503 under ready_requires_store", status, body)
			}
			r.eventually("readyz says why", r.answers("GET", "/readyz", "", test.reason))
			if strings.Contains(r.log.String()+body, "not-sesame") {
				t.Errorf("the password is in the log or in readyz:\n%s%s", r.log, body)
			}
		})
	}
}
