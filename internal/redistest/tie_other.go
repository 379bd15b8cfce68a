//go:build !linux

package redistest

import "os/exec"

// endsWithParent says that a server ends with the test binary, however that ends.
const endsWithParent = false

func tie(*exec.Cmd) {}
