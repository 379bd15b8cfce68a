package processtest

import "syscall"

// tie has the system end a process with the test binary, however that ends.
func tie(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGKILL }
