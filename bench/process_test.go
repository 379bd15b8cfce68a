package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestCPUOfAProcess(t *testing.T) {
	before, err := cpuOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	const busy = 200 * time.Millisecond
	for began := time.Now(); time.Since(began) < 3*busy; {
		after, err := cpuOf(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if after-before >= busy {
			return
		}
	}
	t.Errorf("a process that was busy for %s has used less than %s", 3*busy, busy)
}

func TestServiceThatDoesNotStart(t *testing.T) {
	never := func(context.Context, int, []string) error { return errors.New("no answer") }
	started := 0
	shell := func(script string) service {
		started = 0
		return service{ports: 2, answers: never, command: func(dir string, addrs []string) (*exec.Cmd, error) {
			started++
			return exec.Command("sh", "-c", script, "sh", dir, addrs[0], addrs[1]), nil
		}}
	}
	for _, test := range []struct {
		script, want string // in the error
		started      int
	}{
		{`echo the file is missing >&2`, "it has ended: the file is missing", 1},
		{`echo "$2: address in use"; exit 1`, "address in use", 5},
		{`test "$2" != "$3" && echo two of "$1"`, "two of " + os.TempDir(), 1},
	} {
		_, _, err := launch(t.Context(), shell(test.script))
		if err == nil || !strings.Contains(err.Error(), test.want) || started != test.started {
			t.Errorf("launch %s = %v, started %d times, want an error with %q, %d", test.script, err, started, test.want, test.started)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := launch(ctx, shell("exec sleep 60")); err == nil || !strings.Contains(err.Error(), "does not answer: no answer") {
		t.Errorf("launch of a server that never answers = %v, want an error that says so", err)
	}
}
