package main

import (
	"net/http"

	"github.com/spf13/cobra"
)

// newDelete returns the command that takes a document of a kind away; stays says what does not go with it.
func newDelete(k kind, stays string) *cobra.Command {
	var (
		asked admin
		match string
	)
	c := &cobra.Command{
		Use:   "delete NAME",
		Short: "Take a " + k.one + " away",
		Long: `Takes a ` + k.one + ` away.
` + stays + `

Exit status: 0 done, 2 an error.`,
		Example:           "  sluice " + k.name + " delete " + k.example,
		Args:              wantArgs("NAME", k.example),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			meant, err := parseMeant(match)
			if err != nil {
				return err
			}
			return asked.ask(func(r *remote) error {
				q := request{method: http.MethodDelete, path: k.path(args[0]), meant: meant}
				if _, err := r.do(c.Context(), q, http.StatusNoContent); err != nil {
					return err
				}
				return done(c, asked.asJSON, r.passing, map[string]bool{"deleted": true}, "deleted: %s", args[0])
			})
		},
	}
	asked.add(c, "the result")
	addMatch(c, &match)
	return c
}
