package main

import (
	"runtime"
	"runtime/metrics"
	"testing"
)

// heapGoal returns how large the heap may get until the collector starts, when it has just collected.
func heapGoal() uint64 {
	runtime.GC()
	goal := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}
	metrics.Read(goal)
	return goal[0].Value.Uint64()
}

// TestBallast has the heap grow by the ballast's size before it is collected, and leaves alone who has tuned it.
func TestBallast(t *testing.T) {
	without := heapGoal()
	b := newBallast(func(string) string { return "" })
	with := heapGoal()
	b.keep()
	if with < without+ballastSize {
		t.Errorf("with the ballast the heap is collected at %d bytes, without at %d; want %d more at least", with, without, ballastSize)
	}
	for _, tuned := range []string{"GOGC", "GOMEMLIMIT"} {
		if b := newBallast(func(name string) string { return map[string]string{tuned: "50"}[name] }); b != nil {
			t.Errorf("with %s in the environment there is a ballast of %d bytes, want none", tuned, len(b))
		}
	}
}
