package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-project/sluice"
)

// admin is what the commands share that ask a server alone: where it is, and how to print.
type admin struct {
	server endpoint
	asJSON bool
}

// add adds the flags; what says what is printed as JSON.
func (a *admin) add(c *cobra.Command, what string) {
	a.server.add(c)
	c.Flags().BoolVar(&a.asJSON, "json", false, "print "+what+" as JSON")
}

// ask does something with the server.
func (a *admin) ask(do func(*remote) error) error {
	r, err := a.server.open()
	if err != nil {
		return err
	}
	defer r.close()
	return do(r)
}

// done prints that something was done: as JSON the value, for people a line. A change that ends with the process of the
// server is said to do so.
func done(c *cobra.Command, asJSON, ends bool, value any, format string, args ...any) error {
	var err error
	if asJSON {
		err = printJSON(c.OutOrStdout(), value)
	} else {
		_, err = fmt.Fprintf(c.OutOrStdout(), format+"\n", args...)
	}
	if err == nil && ends {
		_, err = io.WriteString(c.ErrOrStderr(), "held in the memory of the server: it ends with the process\n")
	}
	return err
}

// wantArgs returns what checks that there is an argument for each name, such as "POLICY KEY"; the first is the name of
// a policy or schedule. The example is one of them all.
func wantArgs(names, example string) cobra.PositionalArgs {
	all := strings.Fields(names)
	return func(_ *cobra.Command, args []string) error {
		if len(args) != len(all) {
			return wrongCount(args, strings.Join(all, " and "), example)
		}
		return wantName(all[0], args[0], example)
	}
}

// wrongCount says that there are not the arguments that are needed.
func wrongCount(args []string, needed, example string) error {
	return fmt.Errorf("there are %d arguments; give %s, as in %s", len(args), needed, example)
}

// wantName checks the name of a policy or schedule, which becomes a part of a path.
func wantName(argument, name, example string) error {
	if name == "" {
		return fmt.Errorf("%s is empty; name one, as in %s", argument, example)
	}
	p := sluice.Policy{Name: name, Limits: []sluice.Limit{sluice.PerSecond(1)}} // schedules are spelled alike
	return p.Validate()
}
