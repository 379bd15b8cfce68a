//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A server whose clock can be moved is built of a standard library whose [time.Now] adds some seconds, and of a further file
// of the command that is told them while it runs. The monotonic clock is left alone, as where somebody sets the clock of a
// machine. libfaketime does not do it: a Go program asks the kernel for the time without a library between.
const (
	nowOld = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	nowNew = nowOld + "\tsec += stepped.Load()\n"

	// stepFile is a further file of package time.
	stepFile = `package time

import "sync/atomic"

// stepped is how many seconds the wall clock is ahead.
var stepped atomic.Int64

// Step sets how many seconds the wall clock is ahead.
func Step(seconds int64) { stepped.Store(seconds) }
`

	// tellFile is a further file of the command: it steps by the number in a file, when it begins and on each SIGUSR1.
	tellFile = `package main

import (
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func init() {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGUSR1)
	read := func() {
		text, _ := os.ReadFile(os.Getenv("CHAOS_CLOCK"))
		if seconds, err := strconv.ParseInt(string(text), 10, 64); err == nil {
			time.Step(seconds)
		}
	}
	read()
	go func() {
		for range told {
			read()
		}
	}()
}
`
)

// moveClock adds to an overlay what lets the clock be moved. It writes below a directory.
func (o overlay) moveClock(dir string) error {
	text, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("find the standard library: %w", err)
	}
	pkg := filepath.Join(strings.TrimSpace(string(text)), "src", "time")
	if err := o.replace(filepath.Join(pkg, "time.go"), nowOld, nowNew, dir); err != nil {
		return err
	}
	root, err := tree()
	if err != nil {
		return err
	}
	for path, text := range map[string]string{
		filepath.Join(pkg, "step.go"):                              stepFile,
		filepath.Join(root, "server", "cmd", "sluice", "clock.go"): tellFile,
	} {
		if _, err := os.Stat(path); err == nil {
			return fmt.Errorf("%s is there already: the clock needs another name", path)
		}
		if err := o.put(path, text, dir); err != nil {
			return err
		}
	}
	return nil
}
