// Command sluice is the server, and the command line that asks it.
//
// It reads the command line and prints; what a check is answered, and what a change does, is the business of the packages
// that it imports: the server, and for checks and blocks without a server the engine and the Redis store.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	_ "time/tzdata" // the time zones of schedules and calendars, for machines and containers that have none

	"github.com/spf13/cobra"
)

// The exit statuses.
const (
	exitDone    = 0 // allowed, or done
	exitRefused = 1 // or different, or warned
	exitError   = 2
)

var (
	// errRefused ends a command that has printed a refusal.
	errRefused = errors.New("refused")
	// errDifferent ends a command that has printed differences.
	errDifferent = errors.New("different")
)

func main() { os.Exit(run(os.Args[1:])) }

// run runs a command line and returns its exit status.
func run(args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := root.Execute()
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errRefused), errors.Is(err, errDifferent), errors.Is(err, errWarned):
		return exitRefused
	case errors.Is(err, errUnwell):
		return exitError
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(os.Stderr, "sluice: %s\n", strings.TrimSuffix(line, "\n"))
	}
	return exitError
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "sluice",
		Short: "Distributed rate limiting: the server, and the command line that asks it",
		Long: `Sluice decides how much of something a key may use: a user, an address, a tenant.

"sluice serve" answers over HTTP. "sluice check", "peek", "reset", "block", "unblock"
and "bench" ask a server or, with --store, a Redis directly; "doctor" looks at a Redis
and says what would bite. The other commands show and change what a running server
limits, for all servers that share its store.

Exit status: 0 allowed or done, 1 refused, 2 an error.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %q", err, c.CommandPath()+" --help")
	})
	root.AddCommand(
		newServe(), newCheck(), newPeek(), newReset(), newBlock(), newUnblock(), newBlocks(), newOverride(), newOverrides(),
		newPolicies(), newSchedules(), newAudit(), newBench(), newDoctor(), newValidate(), newImport(), newToken(), newVersion(),
	)
	return root
}
