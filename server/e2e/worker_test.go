package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/internal/processtest"
	"github.com/sluice-project/sluice/store/redisstore"
)

// workerVariable makes the test binary a worker: a program that uses the library, as a service would that has it built
// in. It reads jobs from standard input and writes what came of each to standard output.
const workerVariable = "SLUICE_E2E_WORKER"

// job is so many checks of one key by one of the policies.
type job struct {
	StoreURL string
	Period   time.Duration // of the policies
	Policy   int           // its place among them
	Key      string
	Cost     int64
	Checks   int
}

// done is what came of a job.
type done struct {
	Allowed int
	Err     string
}

// worker is the process as the test sees it.
type worker struct {
	jobs    *json.Encoder
	results *json.Decoder
}

func startWorker(t *testing.T) worker {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), workerVariable+"=1")
	jobs, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	results, out, err := os.Pipe() // not a StdoutPipe, which waiting for the process would close
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { results.Close() })
	cmd.Stdout = out
	processtest.Start(t, cmd)
	out.Close()
	return worker{json.NewEncoder(jobs), json.NewDecoder(results)}
}

// library checks without a server, from several processes.
func (e exactly) library(t *testing.T) {
	workers := make([]worker, servers)
	for i := range workers {
		workers[i] = startWorker(t)
	}
	e.each(t, func(t *testing.T, policy int, key string, cost int64) (allowed int) {
		for i, w := range workers {
			j := job{StoreURL: e.storeURL, Period: e.period, Policy: policy, Key: key, Cost: cost, Checks: share(e.checks, i, len(workers))}
			if err := w.jobs.Encode(j); err != nil {
				t.Fatal(err)
			}
		}
		for _, w := range workers {
			var d done
			if err := w.results.Decode(&d); err != nil {
				t.Fatal(err)
			}
			if d.Err != "" {
				t.Error(d.Err)
			}
			allowed += d.Allowed
		}
		return allowed
	})
}

// work does jobs until there are no more.
func work(jobs io.Reader, results io.Writer) {
	in, out := json.NewDecoder(jobs), json.NewEncoder(results)
	for {
		var j job
		if err := in.Decode(&j); err != nil {
			return
		}
		var d done
		allowed, err := j.do()
		if d.Allowed = allowed; err != nil {
			d.Err = err.Error()
		}
		if err := out.Encode(d); err != nil {
			return
		}
	}
}

// do checks from two goroutines at once, and returns how many checks were allowed.
func (j job) do() (allowed int, err error) {
	option, err := redisstore.ClientOption(j.StoreURL)
	if err != nil {
		return 0, err
	}
	option.ConnWriteTimeout = patient // the client would not wait as long as the store else
	redis, err := rueidis.NewClient(option)
	if err != nil {
		return 0, err
	}
	defer redis.Close()
	store, err := redisstore.New(redis, redisstore.Config{Timeout: patient})
	if err != nil {
		return 0, err
	}
	limiter, err := sluice.New(store, policies(j.Period)[j.Policy])
	if err != nil {
		return 0, err
	}
	var (
		group sync.WaitGroup
		parts [2]int
		errs  [2]error
	)
	for i := range parts {
		group.Go(func() { parts[i], errs[i] = j.fire(limiter, share(j.Checks, i, len(parts))) })
	}
	group.Wait()
	return parts[0] + parts[1], errors.Join(errs[:]...)
}

// fire makes checks, by turns some one by one and some together.
func (j job) fire(limiter *sluice.Limiter, checks int) (allowed int, err error) {
	const together = 50
	ctx := context.Background()
	note := func(r sluice.Result) {
		if r.Decision.Allowed {
			allowed++
		}
		err = errors.Join(err, r.Err)
	}
	for sent := 0; sent < checks && err == nil; {
		for range min(together, checks-sent) {
			var r sluice.Result
			r.Decision, r.Err = limiter.Check(ctx, j.Key, j.Cost)
			note(r)
			sent++
		}
		asks := make([]sluice.Ask, min(together, checks-sent))
		for i := range asks {
			asks[i] = sluice.Ask{Key: j.Key, Cost: j.Cost}
		}
		for _, r := range limiter.CheckAll(ctx, asks) {
			note(r)
			sent++
		}
	}
	if err != nil {
		return allowed, fmt.Errorf("check %q: %w", j.Key, err)
	}
	return allowed, nil
}

// share returns how many of a number of checks the i-th of several does.
func share(checks, i, several int) int { return checks*(i+1)/several - checks*i/several }
