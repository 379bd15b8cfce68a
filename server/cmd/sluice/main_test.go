package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluice-project/sluice/internal/redistest"
)

// prompt keeps the race detector from waiting for a second at the end of every command for races that may come yet.
const prompt = "atexit_sleep_ms=10"

func TestMain(m *testing.M) {
	if err := os.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" "+prompt)); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){"sluice": main})
}

// The scripts find in $ADDR an address that is free and in $PORT its port, in $REDIS the URL of a Redis that they share, each
// with policies or a prefix that no other has, in $REDIS_ADDR its address, and in $LONG a key of 400 bytes.
func TestScripts(t *testing.T) {
	redis := redistest.Start(t, redistest.Options{Password: "open-sesame"})
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			e.Setenv("GORACE", os.Getenv("GORACE"))
			e.Setenv("ADDR", l.Addr().String())
			e.Setenv("PORT", strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
			e.Setenv("REDIS", redis.URL())
			e.Setenv("REDIS_ADDR", redis.Addr())
			e.Setenv("LONG", strings.Repeat("0123456789", 40))
			return l.Close()
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": status,
			"until":  until,
			"signal": sendSignal,
		},
		RequireUniqueNames: true,
	})
}

// status runs a command that must end with a status: status 1 sluice check api alice.
func status(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit := (*exec.ExitError)(nil)
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// until waits until the answer to GET matches: until http://$ADDR/healthz ok.
func until(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile(args[1])
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		body, err := get(args[0])
		if err == nil && pattern.Match(body) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no match for %s in %v, %s", pattern, err, body)
		}
	}
}

func get(url string) ([]byte, error) {
	response, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return io.ReadAll(response.Body)
}

// sendSignal sends a signal to all commands in the background: signal TERM.
func sendSignal(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]os.Signal{"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "TERM": syscall.SIGTERM}
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(signals[args[0]]))
	}
}
