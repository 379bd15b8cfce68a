package main

import (
	"errors"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/go-json-experiment/json/jsontext"
)

func newSchedulesRun() *cobra.Command {
	var asked admin
	c := &cobra.Command{
		Use:   "run NAME",
		Short: "Do what a schedule does, now",
		Long: `Does what a schedule does, now and once. The times at which it does so by itself stay
as they are.

Exit status: 0 done, 2 an error.`,
		Example:           `  sluice schedules run nightly-reset`,
		Args:              wantArgs("NAME", scheduleKind.example),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			return asked.ask(func(r *remote) error {
				q := request{method: http.MethodPost, path: scheduleKind.path(args[0]) + "/run"}
				answer, err := r.do(c.Context(), q, http.StatusOK)
				if err != nil {
					return err
				}
				var entry historyEntry
				if err := r.read(answer, &entry, "schedule"); err != nil {
					return err
				}
				if entry.Error != "" {
					return errors.New(entry.Error)
				}
				what := "run: " + args[0]
				if change := changeText(entry.From, entry.To); change != "" {
					what += ", " + printable(change)
				}
				return done(c, asked.asJSON, r.passing, jsontext.Value(answer.body), "%s", what)
			})
		},
	}
	asked.add(c, "the entry of the history")
	return c
}
