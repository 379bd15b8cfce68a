package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/sluice-project/sluice/internal/processtest"
)

// attacksVariable makes [TestAttacks] take its full length, and print how much longer honest callers wait:
//
//	SLUICE_ATTACKS=1 go test ./e2e -v -run TestAttacks/keys
//
// Otherwise the attacks are short, and what is wanted is that the process lives within its memory and answers everybody.
const attacksVariable = "SLUICE_ATTACKS"

// attack is what somebody hostile does, from a process of his own that is held to half a core.
type attack struct {
	name         string
	door         string // http, grpc or resp
	way          string // one of ways
	short, whole int    // connections, strings, bytes, pieces or keys, in the short form and in the full one
	maxKeys      int    // of the store, in the short form; the default in the full one
	// The bounds of the process's memory in MiB, in the short form and in the full one. docs/reliability.md has them.
	shortMiB, wholeMiB int
}

// attacks are in the order in which they are tried. An idle process takes 25 MiB or so.
var attacks = []attack{
	{name: "slow_http", door: "http", way: "slow", short: 50, whole: 1000, shortMiB: 96, wholeMiB: 128},
	{name: "slow_grpc", door: "grpc", way: "slow", short: 50, whole: 1000, shortMiB: 96, wholeMiB: 192},
	{name: "slow_resp", door: "resp", way: "slow", short: 50, whole: 1000, shortMiB: 96, wholeMiB: 128},
	{name: "random_http", door: "http", way: "random", short: 1000, whole: 100_000, shortMiB: 96, wholeMiB: 128},
	{name: "random_grpc", door: "grpc", way: "random", short: 1000, whole: 100_000, shortMiB: 96, wholeMiB: 128},
	{name: "random_resp", door: "resp", way: "random", short: 1000, whole: 100_000, shortMiB: 96, wholeMiB: 128},
	{name: "body_http", door: "http", way: "body", short: 8 << 20, whole: 1 << 30, shortMiB: 96, wholeMiB: 128},
	{name: "body_grpc", door: "grpc", way: "body", short: 8 << 20, whole: 1 << 30, shortMiB: 96, wholeMiB: 128},
	{name: "body_resp", door: "resp", way: "body", short: 8 << 20, whole: 1 << 30, shortMiB: 96, wholeMiB: 128},
	{name: "crumbs_grpc", door: "grpc", way: "crumbs", short: 20_000, whole: 60_000, shortMiB: 96, wholeMiB: 128},
	{name: "keys", door: "resp", way: "keys", short: 200_000, whole: 10_000_000, maxKeys: 50_000, shortMiB: 128, wholeMiB: 640},
}

// TestAttacks has a server attacked while others ask it for checks.
func TestAttacks(t *testing.T) {
	whole := os.Getenv(attacksVariable) != ""
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) { a.try(t, whole) })
	}
}

func (a attack) try(t *testing.T, whole bool) {
	many, most, maxKeys := a.short, a.shortMiB, a.maxKeys
	if whole {
		many, most, maxKeys = a.whole, a.wholeMiB, 0
	}
	v, beside := startVictim(t, maxKeys), startVictim(t, maxKeys)
	quiet := 300 * time.Millisecond
	if whole {
		quiet = 5 * time.Second
	}
	order, err := json.Marshal(assault{Way: a.way, Door: a.door, Addr: v.addrs[a.door], Many: many, Whole: whole})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), workerVariable+"="+attackerMode, assaultVariable+"="+string(order), "GOMAXPROCS=1")
	begin, err := cmd.StdinPipe() // that a process starts is no attack
	if err != nil {
		t.Fatal(err)
	}
	attacker := processtest.Start(t, cmd)
	askFor(t, time.After(quiet/5), v, beside) // all are warm then
	before, besideBefore := askFor(t, time.After(quiet), v, beside)
	begin.Close()
	ended := make(chan time.Time)
	go func() {
		attacker.Wait()
		close(ended)
	}()
	during, besideDuring := askFor(t, ended, v, beside)
	if !cmd.ProcessState.Success() {
		t.Errorf("the attack itself went wrong: %s", cmd.ProcessState)
	}
	after, _ := askFor(t, time.After(100*time.Millisecond), v, beside) // it lives

	peak := peakMiB(t, v.Cmd.Process.Pid)
	if peak > most {
		t.Errorf("at its peak the process took %d MiB, want %d at most", peak, most)
	}
	times := func(during, before []time.Duration) float64 { return float64(p99(during)) / float64(p99(before)) }
	t.Logf("%s: %d honest checks before, p99 %s; %d during, p99 %s, %.2f times as long; %d after; peak memory %d MiB of %d; "+
		"of a server beside it that is not attacked: p99 %s before, %s during, %.2f times as long",
		a.name, len(before), p99(before), len(during), p99(during), times(during, before), len(after), peak, most,
		p99(besideBefore), p99(besideDuring), times(besideDuring, besideBefore))
}

// p99 is how long all but one in a hundred waited at most.
func p99(waits []time.Duration) time.Duration {
	slices.Sort(waits)
	return waits[(len(waits)*99-1)/100].Round(time.Microsecond)
}

// victim is a server with all doors open, and its embedded store.
type victim struct {
	*processtest.Process
	addrs map[string]string // by door
}

func startVictim(t *testing.T, maxKeys int) *victim {
	t.Helper()
	rules, dir := t.TempDir(), t.TempDir()
	v := &victim{addrs: map[string]string{"http": processtest.FreeAddr(t), "grpc": processtest.FreeAddr(t), "resp": processtest.FreeAddr(t)}}
	config := fmt.Sprintf("listen: {http: %q, grpc: %q, resp: %q}\nenvoy: {directory: %q}\npolicies:\n  api: {limits: [1000000/hour]}\n",
		v.addrs["http"], v.addrs["grpc"], v.addrs["resp"], rules)
	if maxKeys > 0 {
		config += fmt.Sprintf("store_max_keys: %d\n", maxKeys)
	}
	file := filepath.Join(dir, "sluice.yaml")
	for path, text := range map[string]string{
		file: config, filepath.Join(rules, "d.yaml"): "domain: d\ndescriptors:\n- key: a\n  rate_limit: {unit: minute, requests_per_unit: 3}\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	v.Process = processtest.Start(t, exec.Command(program(t), "serve", "--config", file))
	for _, addr := range v.addrs {
		v.WaitListening(t, addr)
	}
	return v
}

// askFor asks two servers in turn for checks, one every millisecond at most, until a channel says so, and returns how long
// each answer took. Everyone is answered.
func askFor(t *testing.T, until <-chan time.Time, v, beside *victim) (waits, besides []time.Duration) {
	t.Helper()
	c := newClient()
	defer c.close()
	body := question{Policy: "api", Key: "honest", Cost: 1}.String()
	ask := func(v *victim) time.Duration {
		begun := time.Now()
		status, answer, err := c.send("POST", v.addrs["http"], "/v1/check", body)
		if err != nil || status != http.StatusOK {
			t.Fatalf("an honest caller is answered %d %s, %v", status, answer, err)
		}
		return time.Since(begun)
	}
	for {
		select {
		case <-until:
			if len(waits) == 0 {
				t.Fatal("nobody has asked")
			}
			return waits, besides
		default:
		}
		waits = append(waits, ask(v))
		time.Sleep(time.Millisecond)
		besides = append(besides, ask(beside))
		time.Sleep(time.Millisecond)
	}
}

var highWater = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)

// peakMiB returns the most memory that a process has taken; 0 where the system does not tell.
func peakMiB(t *testing.T, pid int) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatalf("the server has not lived: %v", err)
	}
	found := highWater.FindSubmatch(status)
	if found == nil {
		t.Fatalf("its status has no VmHWM: %s", status)
	}
	kib, _ := strconv.Atoi(string(found[1]))
	return kib >> 10
}
