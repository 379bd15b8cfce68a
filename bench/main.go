package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime/pprof"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// settings are what the command line says.
type settings struct {
	rounds   int
	duration time.Duration // of one limiter in one round
	only     *regexp.Regexp
	live     []int  // how many keys are in Redis, for the growth by them
	weighed  int    // how many keys are in Redis when its memory is read
	docs     string // a folder, or "" for none
	profile  string // a file, or "" for none
}

const (
	quotedRounds   = 5
	quotedDuration = time.Second
	shortRounds    = 3
	shortDuration  = 100 * time.Millisecond
)

func parse(args []string, output io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.IntVar(&s.rounds, "rounds", quotedRounds, "how many rounds a figure is the median of")
	flags.DurationVar(&s.duration, "duration", 1500*time.Millisecond, "how long each limiter runs in a round")
	only := flags.String("only", "", "a regular expression: measure only rows whose group/keys/goroutines/limiter it matches")
	flags.StringVar(&s.docs, "docs", "", "write the tables and the chart into benchmarks.md and images/ of this folder too; not with -only")
	flags.StringVar(&s.profile, "cpuprofile", "", "write a CPU profile of the whole run to this file")
	short := flags.Bool("short", false, fmt.Sprintf("%d rounds of %s: for a first look, not for figures to quote", shortRounds, shortDuration))
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	s.live, s.weighed = []int{1000, 100_000, 5_000_000}, 200_000
	if *short {
		s.rounds, s.duration = shortRounds, shortDuration
		s.live, s.weighed = []int{1000, 100_000}, 20_000
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("there is an argument %q; bench takes flags only, see -help", flags.Arg(0))
	}
	if s.rounds < 1 {
		return s, fmt.Errorf("-rounds is %d; it must be at least 1", s.rounds)
	}
	if s.duration < time.Millisecond {
		return s, fmt.Errorf("-duration is %s; it must be at least 1ms", s.duration)
	}
	var err error
	if s.only, err = regexp.Compile(*only); err != nil {
		return s, fmt.Errorf("-only: %w", err)
	}
	return s, nil
}

// run measures what the arguments say. The tables go to stdout, what is being measured to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s, err := parse(args, stderr)
	if err != nil {
		return err
	}
	groups := plan(s)
	if len(groups) == 0 {
		return fmt.Errorf("-only %s matches no row; a row is called like redis/spread/256/redis_rate", s.only)
	}
	if s.profile != "" {
		file, err := os.Create(s.profile)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	for _, g := range groups {
		if g.ready == nil {
			continue
		}
		if err := g.ready(ctx, stderr); err != nil {
			return err
		}
	}
	report := report{head: headline(s), about: about(s), goals: goals()}
	for _, g := range groups {
		t, err := g.measure(ctx, s, stderr)
		if err != nil {
			return err
		}
		report.tables = append(report.tables, t)
	}
	report.writeText(stdout)
	if s.docs == "" || s.only.String() != "" {
		return nil
	}
	return report.publish(s.docs)
}
