package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/server/httpapi"
)

// blocked is a block as a server answers it.
type blocked struct {
	Blocked httpapi.Blocked `json:"blocked"`
}

func newBlock() *cobra.Command {
	var (
		whom   target
		bar    sluice.Bar
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "block POLICY KEY --for DURATION",
		Short: "Bar a key for a time",
		Long: `Bars one key of a policy for a time, whatever its limits say, in the place of a block
that it has. Asks a server; with --store or --config, a Redis directly.

A Redis alone does not know which policies there are: see that POLICY is spelled as
the servers spell it. A block that is set there is in no audit log. Where servers have
a key_prefix or hash_keys in their configuration, give that file by --config.

Exit status: 0 done, 2 an error.`,
		Example: `  sluice block api alice --for 15m --reason abuse
  sluice block api alice --for 7d --store redis://127.0.0.1:6379`,
		Args:              wantArgs("POLICY KEY", "api alice"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			if !c.Flags().Changed("for") {
				return errors.New("--for is missing; say how long, as in --for 15m")
			}
			q := question{policy: args[0], key: args[1]}
			if err := (sluice.Amendment{Policy: q.policy, Key: q.key, Bar: &bar}).Validate(); err != nil {
				return err
			}
			a, err := whom.open()
			if err != nil {
				return err
			}
			defer a.close()
			set, err := a.block(c.Context(), q, bar)
			if err != nil {
				return err
			}
			return done(c, asJSON, a.ends(), set, "blocked: %s %s", shown(q.key), blockText(set.Blocked))
		},
	}
	whom.add(c)
	c.Flags().Var((*duration)(&bar.For), "for", "how long, such as 15m or 7d")
	c.Flags().StringVar(&bar.Reason, "reason", "", "why, for people")
	c.Flags().BoolVar(&asJSON, "json", false, "print the block as JSON")
	return c
}
