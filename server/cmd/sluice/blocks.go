package main

import (
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/sluice-project/sluice/server/httpapi"
)

func newBlocks() *cobra.Command {
	var asked admin
	c := &cobra.Command{
		Use:   "blocks POLICY",
		Short: "List the keys that are barred",
		Long: `Lists the keys of a policy that are barred: until when, whether by a penalty or by hand,
and why. A key that the store keeps as a hash only is listed as that.`,
		Example: `  sluice blocks api
  sluice blocks api --json`,
		Args:              wantArgs("POLICY", "api"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			return asked.ask(func(r *remote) error {
				items, err := r.list(c.Context(), "/v1/blocks", url.Values{"policy": args}, "blocks", 0)
				if err != nil {
					return err
				}
				if asked.asJSON {
					return printJSON(c.OutOrStdout(), map[string]any{"blocks": items})
				}
				blocks, err := itemsOf[httpapi.BlockedKey](r, items)
				if err != nil {
					return err
				}
				t := table{
					columns: []column{{name: "KEY"}, {name: "UNTIL", whole: true}, {name: "BY", whole: true}, {name: "REASON", wrap: true}},
					none:    fmt.Sprintf("no key of %s is blocked", args[0]),
				}
				for _, b := range blocks {
					by := "hand"
					if b.Penalty {
						by = "penalty"
					}
					t.add(listedKey(b.Key, b.KeyBase64), instant(b.Until), by, b.Reason)
				}
				return t.print(c.OutOrStdout())
			})
		},
	}
	asked.add(c, "the list")
	return c
}

// listedKey returns the key of an entry of a list as it can be printed.
func listedKey(text string, bytes []byte) string {
	if bytes != nil {
		text = string(bytes)
	}
	return shown(text)
}
