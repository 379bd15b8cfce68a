package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-project/sluice/server"
	"github.com/sluice-project/sluice/server/doctor"
)

var (
	// errWarned ends a command that has printed warnings.
	errWarned = errors.New("warned")
	// errUnwell ends a command that has printed failures.
	errUnwell = errors.New("unwell")
)

// examined are the settings of the server that doctor goes by, and has flags for.
var examined = []string{"store", "store_timeout", "key_prefix"}

func newDoctor() *cobra.Command {
	var (
		file   string
		asJSON bool
		keys   int
	)
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look at a Redis, and say what would bite",
		Long: `Looks at the Redis that "sluice serve" would use by the same flags, environment and
configuration file, and says in plain words what would bite, each with its remedy:
version, permissions, scripts, latency, clock, eviction, memory, what a restart forgets,
replicas, Sentinel, slots of a Cluster, keys without expiry, keys of others.

It writes a few keys that expire and are removed, and tells the servers of a change that
is none. Where Redis does not tell, because the user may not ask, that is a note.

Exit status: 0 all well, or notes alone; 1 warnings; 2 failures, or it could not look.`,
		Example: `  sluice doctor --store redis://127.0.0.1:6379
  sluice doctor --config sluice.yaml --json
  SLUICE_STORE=rediss://sluice:secret@redis.example.com sluice doctor || exit 1`,
		Args: cobra.NoArgs,
	}
	c.Flags().StringVar(&file, "config", "", "configuration file with the store (SLUICE_CONFIG)")
	for _, s := range server.Settings() {
		if slices.Contains(examined, s.Path) {
			addSetting(c.Flags(), s)
		}
	}
	c.Flags().IntVar(&keys, "keys", 20_000, "how many keys to look at, at most")
	c.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if keys < 1 {
			return fmt.Errorf("--keys: it is %d; it must be 1 or more", keys)
		}
		config := server.Config{File: file, Flags: map[string]string{}, Env: os.Getenv}
		if !c.Flags().Changed("config") {
			config.File = os.Getenv("SLUICE_CONFIG")
		}
		for _, s := range server.Settings() {
			if f := c.Flags().Lookup(s.Flag); f != nil && f.Changed {
				config.Flags[s.Path] = f.Value.String()
			}
		}
		settings, err := server.Effective(config)
		if err != nil {
			return err
		}
		report, err := doctor.Examine(c.Context(), doctor.Config{
			URL: settings.Store, Prefix: settings.KeyPrefix, Timeout: settings.StoreTimeout, Keys: keys,
		})
		if err != nil {
			return err
		}
		if asJSON {
			err = printJSON(c.OutOrStdout(), report)
		} else {
			err = printReport(c.OutOrStdout(), report)
		}
		if err != nil {
			return err
		}
		switch report.Result {
		case doctor.Warning:
			return errWarned
		case doctor.Failure:
			return errUnwell
		}
		return nil
	}
	return c
}

// printReport prints what was found, a line each, and below it what to do.
func printReport(w io.Writer, r doctor.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", printable(r.Store))
	counts := map[doctor.Result]int{}
	for _, f := range r.Checks {
		counts[f.Result]++
		fmt.Fprintf(&b, "%-8s %-13s %s\n", f.Result, f.Name, printable(f.Found))
		if f.Remedy != "" {
			fmt.Fprintf(&b, "%-8s %-13s -> %s\n", "", "", printable(f.Remedy))
		}
	}
	fmt.Fprintf(&b, "\nfailures: %d, warnings: %d, notes: %d, ok: %d\n",
		counts[doctor.Failure], counts[doctor.Warning], counts[doctor.Note], counts[doctor.OK])
	_, err := io.WriteString(w, b.String())
	return err
}
