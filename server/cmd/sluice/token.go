package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sluice-project/sluice/server/access"
)

func newToken() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use:   "token NAME ROLE",
		Short: "Make a token that lets somebody in",
		Long: `Makes a random token and prints it with the line for the file of admin.tokens_file,
which has a digest of it. The token itself is kept nowhere: give it to who is to use it.

NAME is how the audit log calls whoever shows the token. ROLE is check, read or admin;
each may do what those before it may:
  check  check, where checks need a token, and bring limits of its own
  read   look at policies, schedules, keys, logs and metrics
  admin  change them`,
		Example: `  sluice token ops admin
  sluice token grafana read --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return wrongCount(args, "NAME and ROLE", "sluice token ops admin")
			}
			return access.ValidateName(args[0])
		},
		RunE: func(c *cobra.Command, args []string) error {
			role, err := access.ParseRole(args[1])
			if err != nil {
				return err
			}
			token := access.NewToken()
			line := access.Line(args[0], role, token)
			if asJSON {
				return printJSON(c.OutOrStdout(), map[string]string{"token": token, "line": line})
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "token: %s\nline for the tokens file: %s\n", token, line)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print both as JSON")
	return c
}
