package world

import "syscall"

// tie has the system end a process with this one, however this one ends.
func tie(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGKILL }
