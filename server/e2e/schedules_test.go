package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// scheduleSeconds is how long servers are killed and paused while schedules tick; the variable gives another time.
func scheduleSeconds(t *testing.T) time.Duration {
	text, given := os.LookupEnv("SLUICE_SCHEDULE_SECONDS")
	if !given {
		return 12 * time.Second
	}
	seconds, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("SLUICE_SCHEDULE_SECONDS: %v", err)
	}
	return time.Duration(seconds) * time.Second
}

const tickingPolicies = `
policies:
  raised: {limits: {hour: 1000/hour}}
  wiped: {limits: {hour: 1000000/hour}}
schedules:
  up: {cron: "@every 1s", missed: all, adjust: {policy: raised, limit: hour, by: +1}}
  wipe: {cron: "@every 1s", missed: all, reset: {policy: wiped}}
`

// TestEachTickOnce kills (-9), freezes and restarts servers at random while schedules tick every second: each tick is
// carried out once, none is lost, and what they have changed adds up.
func TestEachTickOnce(t *testing.T) {
	for name, startStore := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storeURL, _ := startStore(t)
			f := startFleet(t, 5, fmt.Sprintf("store: %q\nstore_timeout: %s\n%s", storeURL, patient, tickingPolicies))
			for end := time.Now().Add(scheduleSeconds(t)); time.Now().Before(end); {
				disturb(t, f)
			}
			for _, s := range f {
				s.waitReady(t)
			}
			a := f[0].admin()
			requireTicks(t, a, "up")
			requireTicks(t, a, "wipe")
			ended := len(history(t, a, "up"))
			var p struct {
				Limits map[string]string `json:"limits"`
			}
			a.must(t, http.MethodGet, "/v1/policies/raised", "", &p)
			if want := fmt.Sprintf("%d/hour", 1000+ended); p.Limits["hour"] != want {
				t.Errorf("after %d ticks the limit is %s, want %s", ended, p.Limits["hour"], want)
			}
			t.Logf("%d ticks, each once", ended)
		})
	}
}

// disturb does something bad to one server of a fleet.
func disturb(t *testing.T, f fleet) {
	i := rand.IntN(len(f))
	switch rand.IntN(3) {
	case 0:
		f[i].Kill()
		f[i] = startServer(t, f[i].file)
	case 1:
		frozen := f[i]
		_ = frozen.Cmd.Process.Signal(syscall.SIGSTOP) // it fails for no process that this test has not ended
		time.AfterFunc(time.Duration(rand.IntN(2500))*time.Millisecond, func() { _ = frozen.Cmd.Process.Signal(syscall.SIGCONT) })
	}
	time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
}

// tick is a line of a schedule's history.
type tick struct {
	Due   time.Time `json:"due"`
	At    time.Time `json:"at"`
	By    string    `json:"by"`
	Error string    `json:"error"`
}

// history returns all ticks of a schedule, the newest first.
func history(t *testing.T, a *admin, schedule string) (all []tick) {
	t.Helper()
	path := "/v1/schedules/" + schedule + "/history?limit=100"
	for at := path; ; {
		var page struct {
			History []tick `json:"history"`
			Cursor  string `json:"cursor"`
		}
		a.must(t, http.MethodGet, at, "", &page)
		all = append(all, page.History...)
		if page.Cursor == "" {
			return all
		}
		at = path + "&cursor=" + url.QueryEscape(page.Cursor)
	}
}

// requireTicks ends a schedule that ticks every second, and sees that its history has each second once, up to now.
func requireTicks(t *testing.T, a *admin, schedule string) {
	t.Helper()
	waitFor(t, patience, "the schedule has caught up", func() bool {
		all := history(t, a, schedule)
		return len(all) > 0 && time.Since(all[0].Due) < 3*time.Second
	})
	a.must(t, http.MethodDelete, "/v1/schedules/"+schedule, "", nil)
	all := history(t, a, schedule)
	servers := map[string]int{}
	for i, d := range all {
		servers[d.By]++
		if want := all[0].Due.Add(-time.Duration(i) * time.Second); !d.Due.Equal(want) || d.Error != "" {
			text, _ := json.Marshal(d)
			t.Errorf("%s: line %d of the history is %s, want the tick of %s", schedule, i, text, want)
		}
		if d.At.Before(d.Due) {
			t.Errorf("%s: the tick of %s was carried out at %s", schedule, d.Due, d.At)
		}
	}
	if len(servers) < 2 {
		t.Errorf("%s: of %d ticks all were carried out by %v", schedule, len(all), servers)
	}
}
