//go:build unix && !linux

package processtest

import "syscall"

func tie(*syscall.SysProcAttr) {}
