package main

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/sluice-project/sluice/policy"
)

func newSchedules() *cobra.Command {
	c := &cobra.Command{
		Use:   "schedules",
		Short: "Show and change what changes limits by itself",
		Long: `Shows and changes the schedules: jobs that reset a policy, change its limits, or give a
key a block or limits of its own, at the times that they say. Each time is carried out
once by all servers that share the store.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		newSchedulesList(),
		newGet(scheduleKind),
		newSet(scheduleKind, `  echo '{"cron": "0 0 * * *", "timezone": "Europe/Berlin", "reset": {"policy": "api"}}' |
    sluice schedules set nightly-reset -
  sluice schedules set ramp-up ramp-up.json
  sluice schedules set ramp-up adjust.max=80`, "cron=@daily"),
		newDelete(scheduleKind, "Its history stays."),
		newSchedulesRun(), newSchedulesHistory(),
	)
	return c
}

// ticks are the times of a schedule: up to when nothing is to be done any more, and the next one, if there is one.
type ticks struct {
	Last time.Time `json:"last"`
	Next time.Time `json:"next"`
}

func newSchedulesList() *cobra.Command {
	var asked admin
	c := &cobra.Command{
		Use:               "list",
		Short:             "List the live schedules",
		Long:              `Lists the live schedules: when they do what, and when for the next time.`,
		Example:           `  sluice schedules list`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			return asked.ask(func(r *remote) error {
				all, answer, err := r.documents(c.Context(), scheduleKind)
				if err != nil {
					return err
				}
				if asked.asJSON {
					return printJSON(c.OutOrStdout(), jsontext.Value(answer.body))
				}
				var more struct {
					Ticks map[string]ticks `json:"ticks"`
				}
				if err := r.read(answer, &more, "ticks"); err != nil {
					return err
				}
				t := table{
					columns: []column{{name: "NAME", wrap: true}, {name: "WHEN", wrap: true}, {name: "DOES", wrap: true}, {name: "NEXT", whole: true}},
					none:    "there are no schedules",
				}
				for _, name := range slices.Sorted(maps.Keys(all)) {
					leaves, err := scheduleKind.leaves(all[name])
					if err != nil {
						return err
					}
					next := "never"
					if at := more.Ticks[name].Next; !at.IsZero() {
						next = instant(at)
					}
					when, does := scheduleText(leaves)
					t.add(name, when, does, next)
				}
				return t.print(c.OutOrStdout())
			})
		},
	}
	asked.add(c, "the schedules")
	return c
}

// scheduleText says when a schedule does what.
func scheduleText(leaves []policy.Leaf) (when, does string) {
	var details []string
	for _, l := range leaves {
		value := unquoted(l.Value)
		switch {
		case l.Field == "cron":
			when = value + when
		case l.Field == "timezone" && value != "UTC":
			when += " " + value
		case l.Name != "":
			does = l.Field
			details = append(details, l.Name+" "+value)
		}
	}
	return when, does + " " + strings.Join(details, ", ")
}
