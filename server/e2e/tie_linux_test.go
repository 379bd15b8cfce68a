package e2e

import (
	"os/exec"
	"syscall"
)

// tie has the system end a process with the test binary, however that ends.
func tie(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
