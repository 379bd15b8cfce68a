//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/sluice-project/sluice/server/e2e/chaos/callers"
	"github.com/sluice-project/sluice/server/e2e/chaos/faults"
	"github.com/sluice-project/sluice/server/e2e/chaos/plan"
	"github.com/sluice-project/sluice/server/e2e/chaos/record"
	"github.com/sluice-project/sluice/server/e2e/chaos/world"
)

const (
	// servers is how many servers there are.
	servers = 3
	// warmUp is how long callers ask before anything is broken.
	warmUp = 3 * time.Second
	// quiet is how long they go on after all is mended.
	quiet = 6 * time.Second
)

// runOne breaks one topology for some time and returns what was seen.
func runOne(t world.Topology, o options, programs world.Programs, dir string, out io.Writer) (*record.Run, error) {
	begun := time.Now()
	p := plan.New()
	config, err := plan.Configuration(dir)
	if err != nil {
		return nil, err
	}
	w, err := world.Start(t, dir, programs, servers, config)
	defer w.End()
	if err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	fmt.Fprintf(out, "%s: %d redis-servers and %d servers run after %s\n", t, len(w.Nodes), servers, time.Since(begun).Round(time.Millisecond))

	run := &record.Run{
		Topology: string(t), Deadline: plan.StoreTimeout * 1e6, Servers: servers, Shards: w.Shards(), Policies: p.Policies, Subjects: p.Subjects,
		Begin: time.Now().UnixNano(),
	}
	runner := faults.NewRunner(w, func(f record.Fault) {
		fmt.Fprintf(out, "%s %6.1fs %-26s %-12s %5.1fs %s\n", t, float64(f.From-run.Begin)/1e9, f.Kind, f.Target, float64(f.To-f.From)/1e9, f.Note)
	})
	asking, err := callers.Start(w, p, o.seed)
	if err != nil {
		_ = asking.Stop(run) // nothing was seen
		return nil, err
	}
	time.Sleep(warmUp)
	if err := measure(w, run, true); err != nil {
		_ = asking.Stop(run) // nothing was seen
		return nil, err
	}
	reading := startReading(w)
	length := o.length - time.Since(begun) - quiet
	run.Faults, err = runner.Run(o.seed, length)
	run.Mended = time.Now().UnixNano()
	if err == nil {
		time.Sleep(quiet)
	}
	run.Readings = reading()
	pings := asking.Stop(run)
	run.End = time.Now().UnixNano()
	if errors.Is(err, faults.ErrRedis) { // what was answered until then can be looked at, and what is measured at the end is not there
		run.Faults, run.Processes = append(run.Faults, runner.Lost(run.End)), nil
	}
	if err != nil {
		return run, err
	}
	if run.Faults, err = runner.Last(); err != nil {
		return run, err
	}
	fmt.Fprintf(out, "%s: %d checks, and %d times asked whether a server is alive\n", t, len(run.Checks), pings)
	time.Sleep(time.Second) // what was asked last has been done with
	last, err := readAll(w, true)
	if err != nil {
		return run, err
	}
	run.Readings = append(run.Readings, last...)
	run.Secrets, run.Shown = w.Secured().Secrets().Seen()
	if run.Left, err = w.Left(); err != nil {
		return run, err
	}
	return run, measure(w, run, false)
}

// measure notes what the servers take.
func measure(w *world.World, run *record.Run, first bool) error {
	for i, s := range w.Servers {
		goroutines, bytes, err := s.Size()
		if err != nil {
			return err
		}
		if first {
			run.Processes = append(run.Processes, record.Process{Server: i, GoroutinesFirst: goroutines, BytesFirst: bytes})
		} else {
			run.Processes[i].Goroutine, run.Processes[i].Bytes = goroutines, bytes
		}
	}
	return nil
}

// startReading has the histories of the schedules read all the time, until the function is called that it returns.
func startReading(w *world.World) (stop func() []record.Reading) {
	end := make(chan struct{})
	var running sync.WaitGroup
	var all []record.Reading
	running.Go(func() {
		for {
			select {
			case <-time.After(time.Second):
			case <-end:
				return
			}
			some, err := readAll(w, false)
			if err == nil { // what cannot be read now is read later
				all = append(all, some...)
			}
		}
	})
	return func() []record.Reading {
		close(end)
		running.Wait()
		return all
	}
}

// readAll reads the histories of all schedules: the newest ticks or, at the end, all.
func readAll(w *world.World, final bool) (all []record.Reading, err error) {
	for _, name := range plan.Schedules {
		r := record.Reading{At: time.Now().UnixNano(), Schedule: name, Final: final}
		for cursor := ""; ; {
			var page struct {
				History []struct {
					Due, At       time.Time
					By, Error, To string
				}
				Cursor string
			}
			path := "/v1/schedules/" + name + "/history?limit=100"
			if cursor != "" {
				path += "&cursor=" + url.QueryEscape(cursor)
			}
			if err := read(w, path, &page); err != nil {
				return nil, err
			}
			for _, h := range page.History {
				r.Ticks = append(r.Ticks, record.Tick{Due: h.Due.UnixNano(), At: h.At.UnixNano(), By: h.By, Error: h.Error, To: h.To})
			}
			if cursor = page.Cursor; cursor == "" || !final {
				break
			}
		}
		if final && name == plan.Schedules[0] {
			var policy struct{ Limits map[string]string }
			if err := read(w, "/v1/policies/"+plan.Raised, &policy); err != nil {
				return nil, err
			}
			_, _ = fmt.Sscanf(policy.Limits["a"], "%d/", &r.Limit) // 0 where it is not as it was written
		}
		all = append(all, r)
	}
	return all, nil
}

// read asks any server that answers.
func read(w *world.World, path string, into any) error {
	var all []error
	for i, s := range w.Servers {
		status, body, err := s.Get(path)
		switch {
		case err == nil && status == http.StatusOK:
			return json.Unmarshal([]byte(body), into)
		case err == nil:
			err = errors.New(body)
		}
		all = append(all, fmt.Errorf("server %d: GET %s: %d %w", i, path, status, err))
	}
	return errors.Join(all...)
}

// newDir returns a directory for a topology.
func newDir(t world.Topology) (string, error) { return os.MkdirTemp("", "chaos-"+string(t)+"-") }
