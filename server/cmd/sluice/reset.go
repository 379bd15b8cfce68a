package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func newReset() *cobra.Command {
	var (
		whom      target
		namespace string
		asJSON    bool
	)
	c := &cobra.Command{
		Use:   "reset (POLICY | --namespace N) KEY",
		Short: "Forget what a key has used",
		Long: `Forgets what a key has used, of all limits of a policy or of a namespace. Its block,
penalty and override stay. Asks a server; with --store or --config, a Redis directly. A
namespace needs --store. "sluice policies reset" forgets all keys of a policy.

Exit status: 0 done, 2 an error. A key that is not known is no error.`,
		Example: `  sluice reset api alice
  sluice reset --store redis://127.0.0.1:6379 --namespace default deploy`,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			q := question{namespace: namespace}
			switch {
			case namespace != "" && len(args) == 1:
				q.key = args[0]
			case namespace == "" && len(args) == 2 && args[0] == "":
				return errors.New("POLICY is empty; name one, as in api alice, or a namespace, as in --namespace default deploy")
			case namespace == "" && len(args) == 2:
				q.policy, q.key = args[0], args[1]
			default:
				return fmt.Errorf("there are %d arguments; give POLICY and KEY, as in api alice, or --namespace and KEY, as in --namespace default deploy", len(args))
			}
			a, err := whom.open()
			if err != nil {
				return err
			}
			defer a.close()
			if err := a.reset(c.Context(), q); err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), map[string]bool{"reset": true})
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "reset: %s\n", shown(q.key))
			return err
		},
	}
	whom.add(c)
	c.Flags().StringVar(&namespace, "namespace", "", "namespace of limits that a caller brought along, in place of a policy")
	c.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	return c
}
