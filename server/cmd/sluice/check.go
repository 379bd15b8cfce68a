package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-project/sluice/server/httpapi"
)

func newCheck() *cobra.Command {
	var (
		whom   target
		about  subject
		wait   time.Duration
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "check (POLICY | --limit LIMIT...) KEY",
		Short: "Ask for units for a key, and take them",
		Long: `Asks for units for a key: of a policy, or of limits that you bring along. All limits
are charged, or none is. Asks a server; with --store or --config, a Redis directly, by
the policies that its servers have live. Where it has none yet, POLICY needs --config,
which says its limits.

Exit status: 0 allowed, 1 refused, 2 an error: nobody knows.`,
		Example: `  sluice check api alice
  sluice check --cost 5 --json api alice
  sluice check --store redis://127.0.0.1:6379 --limit 5/hour deploy && ./deploy
  sluice check --limit 1/10s --wait 30s backup && ./backup`,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			q, err := about.question(args)
			if err != nil {
				return err
			}
			if wait < 0 {
				return fmt.Errorf("--wait: it is %s; it must be 0 or more, as in 30s", wait)
			}
			a, err := whom.open()
			if err != nil {
				return err
			}
			defer a.close()
			d, err := waitFor(wait, func() (httpapi.Decision, error) { return a.check(c.Context(), q) })
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(c.OutOrStdout(), d)
			} else {
				_, err = fmt.Fprintln(c.OutOrStdout(), decisionText(d))
			}
			if err != nil {
				return err
			}
			return refusal(d)
		},
	}
	whom.add(c)
	about.add(c)
	c.Flags().DurationVar(&wait, "wait", 0, "how long to wait for units that are not there yet")
	c.Flags().BoolVar(&asJSON, "json", false, "print the decision as JSON")
	return c
}

// refusal returns errRefused where a decision is one.
func refusal(d httpapi.Decision) error {
	if d.Allowed {
		return nil
	}
	return errRefused
}
