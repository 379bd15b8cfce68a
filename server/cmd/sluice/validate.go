package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/sluice-project/sluice/policy/filesource"
	"github.com/sluice-project/sluice/server"
)

func newValidate() *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE",
		Short: "Say everything that is wrong with a configuration file",
		Long: `Reads a configuration file as "sluice serve" would, and prints everything that is
wrong with it, its policies and its schedules, one fault a line: where it is, what it
is, and what would be right.`,
		Example: `  sluice validate sluice.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			file, err := filesource.Load(args[0])
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%w; give the path of a configuration file, as in sluice validate sluice.yaml", err)
			}
			if err != nil {
				return err
			}
			if err := server.Validate(file); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			found := fmt.Sprintf("policies: %d", len(file.Policies))
			if n := len(file.Schedules); n > 0 {
				found += fmt.Sprintf(", schedules: %d", n)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s: no fault, %s\n", args[0], found)
			return err
		},
	}
}
