package redistest

import (
	"os/exec"
	"syscall"
)

// endsWithParent says that a server ends with the test binary, however that ends.
const endsWithParent = true

func tie(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
