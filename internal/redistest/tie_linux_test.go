package redistest_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sluice-project/sluice/internal/redistest"
)

// TestKilledBinaryLeavesNothing runs itself as a child that starts a server, prints its process id and is killed.
func TestKilledBinaryLeavesNothing(t *testing.T) {
	const asChild = "REDISTEST_CHILD"
	if os.Getenv(asChild) != "" {
		info := fmt.Sprint(redistest.Shared(t).Do(t, "INFO", "server"))
		_, after, _ := strings.Cut(info, "process_id:")
		pid, _, _ := strings.Cut(after, "\r\n")
		fmt.Println("pid " + pid)
		select {} // until killed
	}
	child := exec.Command(os.Args[0], "-test.run=^TestKilledBinaryLeavesNothing$")
	child.Env = append(os.Environ(), asChild+"=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	pid := ""
	for lines := bufio.NewScanner(out); pid == "" && lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "pid "); ok {
			pid = text
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	if pid == "" {
		t.Fatal("the child printed no process id")
	}
	for deadline := time.Now().Add(10 * time.Second); alive(pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("redis-server %s outlived the test binary that started it", pid)
		}
	}
}

// alive reports whether a process runs: it may have ended and wait for somebody to ask how.
func alive(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}
