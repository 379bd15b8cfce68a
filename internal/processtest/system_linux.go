package processtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// tie has the system end a process with the test binary, however that ends.
func tie(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGKILL }

// isFrozen reports whether all threads of a process have stopped, which they do one after the other. One that has ended
// goes on no more, either.
func isFrozen(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil {
		return false
	}
	for _, name := range threads {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended
		}
		_, state, _ := strings.Cut(string(stat), ") ") // after the name, which may hold anything but this
		if !strings.HasPrefix(state, "T") && !strings.HasPrefix(state, "Z") {
			return false
		}
	}
	return true
}
