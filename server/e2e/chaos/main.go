//go:build unix

// Command chaos breaks real servers on real Redis by a random schedule, asks them by every door all the while, and goes over
// the record of all that was asked and answered.
//
//	go run ./e2e/chaos [-for 3m] [-seed N] [-topology single,sentinel,cluster] [-break NAME] [-list]
//
// It prints what it does and a summary, and fails where the record holds what must not be. The seed gives the same schedule
// of faults again.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sluice-project/sluice/server/e2e/chaos/check"
	"github.com/sluice-project/sluice/server/e2e/chaos/faults"
	"github.com/sluice-project/sluice/server/e2e/chaos/record"
	"github.com/sluice-project/sluice/server/e2e/chaos/world"
)

type options struct {
	seed       uint64
	length     time.Duration // of one topology
	topologies []world.Topology
	breakBy    string
	list       bool
	check      string
}

func main() {
	redis.SetLogger(&silence{})
	o, err := parse(os.Args[1:])
	switch {
	case err != nil:
	case o.list:
		show(o)
	case o.check != "":
		err = checkAgain(o, os.Stdout)
	default:
		err = runAll(o, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

// usual is how long a topology takes where nothing else is asked for: in such a time every rule has something to look at.
const usual = time.Minute

// silence is where the clients of Redis log to: what they are answered is in the record.
type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	length := flags.Duration("for", time.Duration(len(world.Topologies))*usual, "how long all topologies take together")
	flags.Uint64Var(&o.seed, "seed", 0, "the seed of the schedule; 0 for a new one")
	topologies := flags.String("topology", "single,sentinel,cluster", "what to break, one after the other")
	flags.StringVar(&o.breakBy, "break", "", "build the servers with a fault that must be seen: "+strings.Join(faultNames(), ", "))
	flags.BoolVar(&o.list, "list", false, "print the schedule and do nothing")
	flags.StringVar(&o.check, "check", "", "go over a record that was kept of a run, and do nothing else")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	for name := range strings.SplitSeq(*topologies, ",") {
		t := world.Topology(strings.TrimSpace(name))
		if !slices.Contains(world.Topologies, t) {
			return o, fmt.Errorf("-topology: there is no %q: it is single, sentinel or cluster", t)
		}
		o.topologies = append(o.topologies, t)
	}
	if o.seed == 0 {
		o.seed = uint64(rand.Uint32())
	}
	o.length = *length / time.Duration(len(o.topologies))
	return o, nil
}

// show prints the schedule.
func show(o options) {
	fmt.Printf("SEED=%d\n", o.seed)
	for _, t := range o.topologies {
		fmt.Println(t)
		for _, track := range faults.Tracks {
			for _, f := range track.Schedule(o.seed, t, o.length, servers) {
				fmt.Println(f)
			}
		}
	}
}

// runAll breaks all topologies, one after the other, and tells what was found.
func runAll(o options, out io.Writer) error {
	begun := time.Now()
	fmt.Fprintf(out, "SEED=%d repeats the faults of this run\n", o.seed)
	dir, err := os.MkdirTemp("", "chaos")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	programs := world.Programs{Sluice: filepath.Join(dir, "sluice"), MovedClock: filepath.Join(dir, "sluice-clock")}
	if err := build(programs.Sluice, o.breakBy, false); err != nil {
		return err
	}
	if err := build(programs.MovedClock, o.breakBy, true); err != nil {
		return err
	}
	fmt.Fprintf(out, "the servers are built after %s\n", time.Since(begun).Round(time.Second))
	s := newSummary(o.seed)
	for _, t := range o.topologies {
		err := s.one(t, o, programs, out)
		if errors.Is(err, faults.ErrRedis) { // which is no fault of the servers
			fmt.Fprintf(out, "%s: %v: once more\n", t, err)
			err = s.one(t, o, programs, out)
		}
		if err != nil {
			return fmt.Errorf("SEED=%d: %s: %w", o.seed, t, err)
		}
	}
	s.print(out, time.Since(begun))
	if rule := ruleOf(o.breakBy); rule != "" && s.found[rule] == 0 {
		return fmt.Errorf("SEED=%d: %q has not seen %s", o.seed, rule, o.breakBy)
	}
	if len(s.found) > 0 {
		return fmt.Errorf("SEED=%d: there are violations", o.seed)
	}
	if o.length >= usual {
		return s.idle()
	}
	return nil
}

// mayBeIdle reports whether a rule may have nothing to look at on a topology in a usual time, so that it must on one of all.
func (s *summary) mayBeIdle(rule, topology string) bool {
	switch rule {
	case check.Rotated:
		// Servers are broken in fourteen ways, in random order, and in a minute in about eleven of them: of a hundred topologies
		// two have neither a certificate nor a token rotated.
		return true
	case check.Back:
		// On a machine that stands still again and again, it has done so in the three seconds before every answer of the last three.
		return s.stood[topology] > 0
	}
	return false
}

// idle returns an error where a rule has looked at nothing: it would have passed whatever there was.
func (s *summary) idle() error {
	for _, rule := range check.Rules {
		for _, topology := range slices.Sorted(maps.Keys(s.looked)) {
			if s.looked[topology][rule] == 0 && !s.mayBeIdle(rule, topology) {
				return fmt.Errorf("SEED=%d: %s: %q has looked at nothing", s.seed, topology, rule)
			}
		}
		if s.lookedAt(rule) == 0 {
			return fmt.Errorf("SEED=%d: %q has looked at nothing", s.seed, rule)
		}
	}
	return nil
}

// lookedAt returns how much a rule has looked at on all topologies.
func (s *summary) lookedAt(rule string) (n int) {
	for _, looked := range s.looked {
		n += looked[rule]
	}
	return n
}

// checkAgain goes over a record.
func checkAgain(o options, out io.Writer) error {
	run, err := record.Read(o.check)
	if err != nil {
		return err
	}
	report := check.Run(run)
	for _, v := range report.Violations {
		fmt.Fprintf(out, "%s: VIOLATION: %s\n", run.Topology, v)
	}
	s := newSummary(0)
	s.add(run, report)
	s.print(out, time.Duration(run.End-run.Begin))
	if len(s.found) > 0 {
		return errors.New("there are violations")
	}
	return nil
}

// one breaks one topology. What its processes wrote is kept where something is wrong. Where Redis could not be broken or mended,
// which is the error, what was seen until then is gone over all the same.
func (s *summary) one(t world.Topology, o options, programs world.Programs, out io.Writer) error {
	dir, err := newDir(t)
	if err != nil {
		return err
	}
	run, broke := runOne(t, o, programs, dir, out)
	if broke != nil {
		broke = fmt.Errorf("%w (logs are in %s)", broke, dir)
		if !errors.Is(broke, faults.ErrRedis) {
			return broke
		}
	}
	report := check.Run(run)
	if len(report.Violations) > 0 {
		if err := run.Write(filepath.Join(dir, "record")); err != nil {
			return err
		}
	}
	for _, v := range report.Violations {
		fmt.Fprintf(out, "%s: VIOLATION: %s\n", t, v)
	}
	for _, p := range run.Processes {
		fmt.Fprintf(out, "%s: server %d had %d goroutines and %d MiB before the first fault, %d and %d after the last\n",
			t, p.Server, p.GoroutinesFirst, p.BytesFirst>>20, p.Goroutine, p.Bytes>>20)
	}
	s.add(run, report)
	if len(report.Violations) > 0 {
		fmt.Fprintf(out, "%s: what the processes wrote is in %s, and the record, for -check\n", t, dir)
	}
	if len(report.Violations) > 0 || broke != nil {
		return broke
	}
	return os.RemoveAll(dir)
}

// summary is what all topologies came to.
type summary struct {
	seed    uint64
	faults  int
	kinds   map[string]int
	checks  int
	sources [record.Sources]int
	endings [record.Endings]int
	doors   [record.Doors]int
	longest int64 // of those that were not excused
	worst   int64
	excused int
	late    int64
	found   map[string]int
	looked  map[string]map[string]int // by topology and rule
	stood   map[string]int            // by topology: answers at the end before which the machine stood still
}

func newSummary(seed uint64) *summary {
	return &summary{seed: seed, kinds: map[string]int{}, found: map[string]int{}, looked: map[string]map[string]int{}, stood: map[string]int{}}
}

func (s *summary) add(run *record.Run, r *check.Report) {
	s.faults += len(run.Faults)
	for _, f := range run.Faults {
		s.kinds[f.Kind]++
	}
	s.checks += len(run.Checks)
	for i := range run.Checks {
		c := &run.Checks[i]
		s.sources[c.Source]++
		s.endings[c.Ending]++
		s.doors[c.Door]++
	}
	s.longest, s.worst = max(s.longest, r.Longest.Took), max(s.worst, r.Worst.Took)
	s.excused += r.Excused
	s.stood[run.Topology] += r.Stood
	for _, l := range run.Late {
		s.late = max(s.late, l.Took)
	}
	for rule, n := range r.Found {
		s.found[rule] += n
	}
	if s.looked[run.Topology] == nil {
		s.looked[run.Topology] = map[string]int{}
	}
	for rule, n := range r.Looked {
		s.looked[run.Topology][rule] += n
	}
}

func (s *summary) print(out io.Writer, took time.Duration) {
	fmt.Fprintf(out, "\nseed %d, %s, %d faults, %d checks\n", s.seed, took.Round(time.Second), s.faults, s.checks)
	for _, kind := range sorted(s.kinds) {
		fmt.Fprintf(out, "  %4d  %s\n", s.kinds[kind], kind)
	}
	fmt.Fprintln(out, "asked by")
	for d, n := range s.doors {
		fmt.Fprintf(out, "  %9d  %s\n", n, record.Door(d))
	}
	fmt.Fprintln(out, "decided by")
	for source, n := range s.sources {
		fmt.Fprintf(out, "  %9d  %s\n", n, record.Source(source))
	}
	fmt.Fprintln(out, "of those without a decision")
	for ending, n := range s.endings {
		if record.Ending(ending) != record.Answered {
			fmt.Fprintf(out, "  %9d  %s\n", n, record.Ending(ending))
		}
	}
	fmt.Fprintf(out, "longest wait of a server that was neither killed nor frozen: %s within the bound; %d answers were later, up to %s, on a machine that stood still\n",
		time.Duration(s.longest).Round(time.Millisecond), s.excused, time.Duration(s.worst).Round(time.Millisecond))
	fmt.Fprintf(out, "the callers themselves were woken %s late at most\n", time.Duration(s.late).Round(time.Millisecond))
	fmt.Fprintln(out, "looked at, and found")
	for _, rule := range check.Rules {
		fmt.Fprintf(out, "  %9d  %4d  %s\n", s.lookedAt(rule), s.found[rule], rule)
	}
}

func sorted(m map[string]int) []string {
	var all []string
	for name := range m {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}
