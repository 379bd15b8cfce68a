//go:build unix

// Package world is what is broken: redis-servers in one of three topologies, and servers of Sluice that reach them by a
// proxy for each node. All of it are real processes, on loopback, which end with this one.
//
// It knows how to start, break and mend each thing, and nothing of when: that is package faults.
package world

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/sluice-project/sluice/server/e2e/chaos/record"
)

// World is all processes of a run.
type World struct {
	Topology Topology
	Dir      string // of everything, logs among it
	Nodes    []*Node
	Servers  []*Server

	sentinels []*Node
	programs  Programs
	ports     ports
	logs      []io.Closer
}

// Programs are the files of what servers run.
type Programs struct {
	Sluice     string // as users build it
	MovedClock string // that and a clock that can be moved, for one server
}

// Start starts a world below a directory. The servers run by a configuration that is all but where they listen, whom they
// let in, and where Redis is. The caller ends the world, also after an error.
func Start(t Topology, dir string, programs Programs, servers int, config string) (*World, error) {
	w := &World{Topology: t, Dir: dir, programs: programs, ports: ports{next: rand.IntN, used: map[int]bool{}}}
	if err := w.startNodes(); err != nil {
		return w, err
	}
	if err := w.WaitHealthy(); err != nil {
		return w, err
	}
	for range servers {
		if err := w.addServer(config); err != nil {
			return w, err
		}
	}
	return w, nil
}

// End ends all processes.
func (w *World) End() {
	var all sync.WaitGroup
	for _, s := range w.Servers {
		all.Go(func() {
			if s.process != nil {
				_ = s.Thaw() // it may have ended
				s.process.stop()
			}
			for _, p := range s.proxies {
				p.close()
			}
		})
	}
	all.Wait()
	for _, n := range append(append([]*Node{}, w.sentinels...), w.Nodes...) {
		n.Kill()
		_ = n.client.Close() // its connections are gone
	}
	for _, l := range w.logs {
		_ = l.Close() // nothing writes to it any more
	}
}

// log returns the file that a process writes to.
func (w *World) log(name string) io.Writer {
	file, err := os.OpenFile(filepath.Join(w.Dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return io.Discard
	}
	w.logs = append(w.logs, file)
	return file
}

// Left returns all keys of Sluice that are in Redis.
func (w *World) Left() (all []record.Left, err error) {
	for _, n := range w.Masters() {
		if n == nil {
			return nil, errors.New("a shard has no master")
		}
		ctx := context.Background()
		for keys := n.client.Scan(ctx, 0, "sluice:*", 1000).Iterator(); ; {
			if !keys.Next(ctx) {
				if err := keys.Err(); err != nil {
					return nil, err
				}
				break
			}
			ttl, err := n.client.Do(ctx, "PTTL", keys.Val()).Int64()
			switch {
			case err != nil:
				return nil, err
			case ttl == -2: // it has expired meanwhile
			default:
				all = append(all, record.Left{Key: strings.ToValidUTF8(keys.Val(), "?"), TTL: ttl})
			}
		}
	}
	return all, nil
}
