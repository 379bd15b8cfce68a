package main

import (
	"github.com/spf13/cobra"
)

func newPeek() *cobra.Command {
	var (
		whom   target
		about  subject
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "peek (POLICY | --limit LIMIT...) KEY",
		Short: "Say what a check would be answered, and take nothing",
		Long: `Says what a check would be answered, what each limit holds, and whether the key has a
block, limits of its own or refusals that count towards a penalty. Nothing is taken.
Asks a server; with --store or --config, a Redis directly, by the policies that its
servers have live. Where it has none yet, POLICY needs --config, which says its limits.
Limits of your own need --store.

Exit status: 0 it would be allowed, 1 it would be refused, 2 an error.`,
		Example: `  sluice peek api alice
  sluice peek --store redis://127.0.0.1:6379 --limit 5/hour deploy`,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			q, err := about.question(args)
			if err != nil {
				return err
			}
			a, err := whom.open()
			if err != nil {
				return err
			}
			defer a.close()
			d, err := a.peek(c.Context(), q)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(c.OutOrStdout(), d)
			} else {
				err = printState(c.OutOrStdout(), d)
			}
			if err != nil {
				return err
			}
			return refusal(d.Decision)
		},
	}
	whom.add(c)
	about.add(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print the state as JSON")
	return c
}
