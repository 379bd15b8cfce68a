//go:build !linux

package e2e

import "time"

// nap sleeps.
func nap(d time.Duration) { time.Sleep(d) }
