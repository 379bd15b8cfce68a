package main

import (
	"github.com/spf13/cobra"
)

func newUnblock() *cobra.Command {
	var (
		whom   target
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "unblock POLICY KEY",
		Short: "End the block of a key",
		Long: `Ends the block of a key, whether it was set by hand or is a penalty, and forgets the
refusals and past blocks that count towards its next penalty. Asks a server; with
--store or --config, a Redis directly.

A Redis alone does not know which policies there are: see that POLICY is spelled as
the servers spell it. What is done there is in no audit log. Where servers have a
key_prefix or hash_keys in their configuration, give that file by --config.

Exit status: 0 done, 2 an error. A key that is not blocked is no error.`,
		Example: `  sluice unblock api alice
  sluice unblock api alice --store redis://127.0.0.1:6379`,
		Args:              wantArgs("POLICY KEY", "api alice"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			q := question{policy: args[0], key: args[1]}
			a, err := whom.open()
			if err != nil {
				return err
			}
			defer a.close()
			if err := a.unblock(c.Context(), q); err != nil {
				return err
			}
			return done(c, asJSON, a.ends(), map[string]bool{"unblocked": true}, "unblocked: %s", shown(q.key))
		},
	}
	whom.add(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	return c
}
