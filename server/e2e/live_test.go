package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-project/sluice/internal/redistest"
)

const livePolicies = `
policies:
  a: {limits: {hour: 1000/hour}}
  b: {limits: {hour: 1000/hour, day: 5000/day}}
`

// changes is how often TestChangesReachAll changes a limit.
const changes = 100

// TestChangesReachAll changes a limit at one server, and sees the four others decide by it within a second: with the
// messages that say so, and with all of these lost.
func TestChangesReachAll(t *testing.T) {
	for name, deaf := range map[string]bool{"messages": false, "messages lost": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := redistest.Start(t, redistest.Options{})
			storeURL := redis.URL()
			if deaf {
				storeURL = startDeafProxy(t, storeURL)
			}
			f := startFleet(t, 5, fmt.Sprintf("store: %q\nstore_timeout: %s\n%s", storeURL, patient, livePolicies))
			var longest time.Duration
			for i := range changes {
				text := fmt.Sprintf("%d/hour", 2000+i)
				f[0].admin().must(t, http.MethodPut, "/v1/policies/a", `{"limits":{"hour":"`+text+`"}}`, nil)
				for j, s := range f[1:] {
					took := waitFor(t, time.Second, fmt.Sprintf("change %d at server %d", i, j+1), func() bool {
						return s.admin().enforces(t, "a") == text
					})
					longest = max(longest, took)
				}
			}
			t.Logf("%d changes, the longest until all had it took %s", changes, longest)
		})
	}
}

// startDeafProxy returns the URL of a way to a Redis on which the messages of its channels get lost.
func startDeafProxy(t *testing.T, storeURL string) string {
	u, err := url.Parse(storeURL)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proxy.Close() })
	redis := u.Host
	var lost atomic.Int64
	t.Cleanup(func() {
		if lost.Load() == 0 {
			t.Error("the proxy has lost no message: the test shows nothing")
		}
	})
	go func() {
		for {
			down, err := proxy.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", redis)
			if err != nil {
				down.Close()
				continue
			}
			go func() { _, _ = io.Copy(up, down); up.Close() }()
			go func() { copyWithoutMessages(down, up, &lost); down.Close() }()
		}
	}()
	u.Host = proxy.Addr().String()
	return u.String()
}

// message is what a channel's message looks like on the wire.
var message = regexp.MustCompile(`>3\r\n\$7\r\nmessage\r\n\$\d+\r\n[^\r]*\r\n\$\d+\r\n[^\r]*\r\n`)

// copyWithoutMessages copies bytes, but no message, and counts what it leaves out. One that comes in two pieces passes.
func copyWithoutMessages(to, from net.Conn, lost *atomic.Int64) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		lost.Add(int64(len(message.FindAll(buf[:n], -1))))
		if _, err := to.Write(message.ReplaceAll(buf[:n], nil)); err != nil {
			return
		}
	}
}

// TestWriters has two people change one revision at two servers, many times, while a schedule changes another policy.
func TestWriters(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, redistest.Options{})
	f := startFleet(t, 2, fmt.Sprintf("store: %q\nstore_timeout: %s\n%s"+
		"schedules: {up: {cron: '@every 1s', adjust: {policy: a, limit: hour, by: 1}}}\n", redis.URL(), patient, livePolicies))
	tag := f[0].admin().must(t, http.MethodGet, "/v1/policies/b", "", nil)
	for i := range 50 {
		var (
			wg      sync.WaitGroup
			status  [2]int
			tags    [2]string
			answers [2][]byte
		)
		for w := range 2 {
			wg.Go(func() {
				status[w], tags[w], answers[w] = f[w].admin().do(t, http.MethodPut, "/v1/policies/b",
					fmt.Sprintf(`{"limits":{"hour":"%d/hour","day":"5000/day"}}`, 10*i+w+1), "If-Match", tag)
			})
		}
		wg.Wait()
		winner := 0
		if status[1] == http.StatusOK {
			winner = 1
		}
		if status[winner] != http.StatusOK || status[1-winner] != http.StatusPreconditionFailed {
			t.Fatalf("two writers of one revision: %d %s and %d %s, want one 200 and one 412", status[0], answers[0], status[1], answers[1])
		}
		if tags[1-winner] != tags[winner] || tags[winner] == tag {
			t.Errorf("the loser is told the revision %s, the winner %s, after %s", tags[1-winner], tags[winner], tag)
		}
		tag = tags[winner]
		time.Sleep(50 * time.Millisecond)
	}
}

// TestRollingRestart restarts five servers, each with a new file, one after the other and some again with the old one,
// while a schedule raises a limit: the limit never falls, and the new file's change arrives once.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, redistest.Options{})
	config := func(day string) string {
		return fmt.Sprintf("store: %q\nstore_timeout: %s\npolicies: {b: {limits: {hour: 1000/hour, day: %s}}}\n"+
			"schedules: {ramp-up: {cron: '@every 1s', adjust: {policy: b, limit: hour, by: 1}}}\n", redis.URL(), patient, day)
	}
	f := startFleet(t, 5, config("5000/day"))
	old, renewed := f[0].file, writeConfig(t, config("6000/day"))
	highest := 0
	look := func(when string) (day string) {
		t.Helper()
		for _, s := range f {
			var hour int
			var enforced string
			if enforced = s.admin().enforces(t, "b"); enforced == "" {
				t.Fatalf("%s: no limits", when)
			}
			if _, err := fmt.Sscanf(enforced, "%d/hour, %s", &hour, &day); err != nil {
				t.Fatal(err)
			}
			if hour < highest-1 { // a server may be a tick behind for a moment
				t.Errorf("%s: the limit has fallen from %d to %d", when, highest, hour)
			}
			highest = max(highest, hour)
		}
		return day
	}
	for i := range f {
		for _, file := range []string{renewed, old, renewed}[:1+2*(i%2)] {
			f[i].Kill()
			f[i] = startServer(t, file)
			f[i].waitReady(t)
			look(fmt.Sprintf("server %d with %s", i, file))
		}
		time.Sleep(500 * time.Millisecond)
	}
	if day := look("the end"); day != "6000/day" {
		t.Errorf("the new file's limit is %s, want 6000/day", day)
	}
	if highest < 1002 {
		t.Errorf("the limit rose to %d: the schedule did not run, the test shows nothing", highest)
	}
	var audit struct {
		Audit []struct {
			Who, What, Policy string
		} `json:"audit"`
	}
	f[0].admin().must(t, http.MethodGet, "/v1/audit?limit=1000", "", &audit)
	puts := 0
	for _, line := range audit.Audit {
		if line.Who == "file" && line.What == "put" && line.Policy == "b" {
			puts++
		}
	}
	if puts != 2 { // the first file, and the new one
		t.Errorf("files have written the policy %d times, want 2", puts)
	}
}

// TestLostPolicies empties the Redis: the policies, changed live as they were, are back in it within a second.
func TestLostPolicies(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, redistest.Options{})
	f := startFleet(t, 3, fmt.Sprintf("store: %q\nstore_timeout: %s\n%s", redis.URL(), patient, livePolicies))
	f[1].admin().must(t, http.MethodPut, "/v1/policies/a", `{"limits":{"hour":"77/hour"}}`, nil)
	for _, s := range f {
		waitFor(t, time.Second, "the change", func() bool { return s.admin().enforces(t, "a") == "77/hour" })
	}
	redis.Do(t, "FLUSHALL")
	took := waitFor(t, time.Second, "policies in Redis again", func() bool {
		return len(scan(t, redis)) > 0
	})
	t.Logf("back after %s", took)
	fresh := startServer(t, f[0].file)
	fresh.waitReady(t)
	if got := fresh.admin().enforces(t, "a"); got != "77/hour" {
		t.Errorf("a new server decides by %s, want 77/hour, as it was changed", got)
	}
}
