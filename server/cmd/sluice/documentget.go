package main

import (
	"cmp"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"
)

// newGet returns the command that shows one document of a kind.
func newGet(k kind) *cobra.Command {
	var asked admin
	c := &cobra.Command{
		Use:   "get NAME",
		Short: "Show one " + k.one + " as it is now",
		Long: `Shows a ` + k.one + ` as it is now, and its revision: every change makes another. --json
prints the document that "set" takes.`,
		Example: "  sluice " + k.name + " get " + k.example + "\n" +
			"  sluice " + k.name + " get " + k.example + " --json > " + k.example + ".json",
		Args:              wantArgs("NAME", k.example),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			return asked.ask(func(r *remote) error {
				answer, err := r.document(c.Context(), k, args[0])
				if err != nil {
					return err
				}
				if asked.asJSON {
					return printJSON(c.OutOrStdout(), jsontext.Value(answer.body))
				}
				leaves, err := k.leaves(answer.body)
				if err != nil {
					return err
				}
				t := table{columns: []column{{name: "FIELD"}, {name: "VALUE", wrap: true}}}
				for _, l := range leaves {
					t.add(leafPath(l), unquoted(l.Value))
				}
				if _, err := fmt.Fprintf(c.OutOrStdout(), "%s, revision %s\n\n", args[0], cmp.Or(answer.revision, "not known yet: the store has not been reached")); err != nil {
					return err
				}
				return t.print(c.OutOrStdout())
			})
		},
	}
	asked.add(c, "the document")
	return c
}
