package main

import (
	"net/http"

	"github.com/spf13/cobra"
)

func newPoliciesReset() *cobra.Command {
	var asked admin
	c := &cobra.Command{
		Use:   "reset NAME",
		Short: "Forget what all keys of a policy have used",
		Long: `Forgets what all keys have used of a policy, at a cost that does not grow with their
number. Blocks, penalties and overrides stay. "sluice reset" forgets one key.

Exit status: 0 done, 2 an error.`,
		Example:           `  sluice policies reset api`,
		Args:              wantArgs("NAME", "api"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			return asked.ask(func(r *remote) error {
				q := request{method: http.MethodPost, path: policyKind.path(args[0]) + "/reset"}
				if _, err := r.do(c.Context(), q, http.StatusNoContent); err != nil {
					return err
				}
				return done(c, asked.asJSON, r.passing, map[string]bool{"reset": true}, "reset: all keys of %s", args[0])
			})
		},
	}
	asked.add(c, "the result")
	return c
}
