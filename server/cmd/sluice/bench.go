package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sluice-project/sluice"
)

// benchmark is what a run of bench is to do.
type benchmark struct {
	policy    string // "" for limits of the caller's own, in the namespace
	limits    []string
	namespace string
	cost      int64

	duration    time.Duration
	concurrency int
	keys        int
	batch       int
	rate        int64 // checks a second; 0 for as many as are answered
}

// The greatest values of the flags. They keep a slip from exhausting the machine that measures.
const (
	mostCallers = 5000
	mostKeys    = 100_000_000
	mostBatch   = 1000
	mostRate    = 100_000_000
)

// benchNamespace is the namespace of limits of the caller's own, so that they count beside those of "sluice check".
const benchNamespace = "bench"

// benchKey is what the keys begin with that are asked for; a number follows.
const benchKey = "bench:"

func newBench() *cobra.Command {
	var (
		whom   target
		b      benchmark
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "bench (--policy POLICY | --limit LIMIT...)",
		Short: "Measure how fast checks are decided",
		Long: `Asks for checks for a time, and says how many were decided in a second and how long they
took: of a server or, with --store or --config, of a Redis, by a policy that is live there
or by limits that you bring along.

It asks for keys of its own, bench:0 and up, in random order. They are charged as others
are, and expire as others do; what other keys have used is not touched. It loads whom it
asks as much as it can, unless --rate says how much: think twice before you measure what
others depend on. What a server does before it asks Redis, a Redis alone does not show.

By default each caller asks again when it is answered. With --rate, checks are due at
fixed instants, and one that has to wait for a caller counts from when it was due, so that
a stall counts for all whom it would have held up.

On a terminal a line a second says how it goes. Ctrl-C ends it early, with the summary of
what was done.

Exit status: 0 measured, 2 an error, or no check was decided.`,
		Example: `  sluice bench --policy api
  sluice bench --policy api --batch 100 --server http://127.0.0.1:8080
  sluice bench --store redis://127.0.0.1:6379 --limit 100/s
  sluice bench --config sluice.yaml --policy api --rate 20000 --duration 1m
  sluice bench --store redis://127.0.0.1:6379 --limit "10/s burst 20" --keys 1 --json`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := b.validate(whom.direct()); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			context.AfterFunc(ctx, stop) // told a second time, it ends at once
			var progress io.Writer
			if !asJSON && term.IsTerminal(int(os.Stdout.Fd())) && term.IsTerminal(int(os.Stderr.Fd())) {
				progress = os.Stderr
			}
			s, err := b.measure(ctx, whom, progress)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(c.OutOrStdout(), s)
			} else {
				err = s.print(c.OutOrStdout())
			}
			return cmp.Or(err, s.failure())
		},
	}
	whom.add(c)
	flags := c.Flags()
	flags.StringVar(&b.policy, "policy", "", "policy to ask by")
	flags.StringArrayVar(&b.limits, "limit", nil, `limit of your own in place of a policy, such as 100/s or "10/s burst 20"; may be repeated`)
	flags.StringVar(&b.namespace, "namespace", "", "with --limit: what keeps its counters apart from those of others (default "+benchNamespace+")")
	b.cost = 1
	flags.Var((*units)(&b.cost), "cost", "units that each check asks for")
	b.duration = 10 * time.Second
	flags.Var((*duration)(&b.duration), "duration", "how long to measure, such as 30s or 5m")
	flags.IntVar(&b.concurrency, "concurrency", 64, "how many callers ask at the same time")
	flags.IntVar(&b.keys, "keys", 10_000, "how many keys are asked for, each as often as the others")
	flags.IntVar(&b.batch, "batch", 1, "how many checks go in one call")
	flags.Int64Var(&b.rate, "rate", 0, "how many checks are due in a second; 0 for as many as are answered")
	flags.BoolVar(&asJSON, "json", false, "print the result as JSON")
	c.MarkFlagsMutuallyExclusive("policy", "limit")
	return c
}

// validate reports what is wrong with the flags, as far as it can be known without asking anybody.
func (b *benchmark) validate(direct bool) error {
	outside := func(flag string, value, most int64) error {
		if value >= 1 && value <= most {
			return nil
		}
		return fmt.Errorf("--%s: it is %d; it must be 1 to %d", flag, value, most)
	}
	switch {
	case b.policy == "" && len(b.limits) == 0:
		return errors.New("nothing says by what to measure: name a policy, as in --policy api, or give a limit, as in --limit 100/s")
	case len(b.limits) == 0 && b.namespace != "":
		return errors.New("--namespace goes with --limit: give a limit too, such as --limit 100/s")
	case len(b.limits) > 0 && b.batch > 1 && !direct:
		return errors.New("--batch: a server takes limits of your own one check a call: leave it out, name a policy, or ask a Redis by --store URL")
	case b.duration <= 0:
		return fmt.Errorf("--duration: it is %s; it must be more than 0, as in 10s", b.duration)
	case b.rate < 0 || b.rate > mostRate:
		return fmt.Errorf("--rate: it is %d; it must be 1 to %d checks a second, or 0 for as many as are answered", b.rate, mostRate)
	}
	if err := sluice.ValidateCost(b.cost); err != nil {
		return fmt.Errorf("--%w", err)
	}
	return cmp.Or(
		outside("concurrency", int64(b.concurrency), mostCallers),
		outside("keys", int64(b.keys), mostKeys),
		outside("batch", int64(b.batch), mostBatch),
	)
}

// direct reports whether a store is asked without a server.
func (t *target) direct() bool { return t.store != "" || t.config != "" }

// measure runs the benchmark against whom it is about, after a look that takes nothing and tells what is wrong.
func (b *benchmark) measure(ctx context.Context, whom target, progress io.Writer) (summary, error) {
	q := question{policy: b.policy, limits: b.limits, key: benchKey + "0"}
	if b.policy == "" {
		q.namespace = cmp.Or(b.namespace, benchNamespace)
	}
	var (
		asked  asked
		pinged *histogram
		err    error
	)
	if whom.direct() {
		var d *direct
		if d, err = openDirect(whom.store, whom.config); err != nil {
			return summary{}, err
		}
		defer d.close()
		if asked, err = newAskedStore(ctx, d, q, b.cost); err == nil {
			pinged, err = pings(ctx, d.connection.Ping)
		}
	} else {
		var r *remote
		if r, err = whom.server.open(); err != nil {
			return summary{}, err
		}
		r.remedy += " or --store URL"
		asked, err = newAskedServer(ctx, r, q, b)
	}
	if err != nil {
		return summary{}, err
	}
	run := newRun(b, asked)
	run.do(ctx, progress)
	return b.summary(run, asked.name(), pinged), nil
}

// pings returns how long Redis takes for a question that asks nothing, one at a time: the round trip that a check is
// at the least.
func pings(ctx context.Context, ping func(context.Context) error) (*histogram, error) {
	const most, longest = 1000, time.Second / 2
	h := new(histogram)
	for begun := time.Now(); h.total < most && time.Since(begun) < longest && ctx.Err() == nil; {
		start := time.Now()
		if err := ping(ctx); err != nil {
			return nil, fmt.Errorf("ping the store: %w", err)
		}
		h.add(time.Since(start))
	}
	return h, nil
}
