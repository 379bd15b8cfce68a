package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

// historyEntry is one time that a schedule was carried out, or was to be.
type historyEntry struct {
	Due     time.Time `json:"due"` // the zero time of a run by hand
	At      time.Time `json:"at"`
	By      string    `json:"by"`
	From    string    `json:"from"`
	To      string    `json:"to"`
	Skipped int       `json:"skipped"`
	Error   string    `json:"error"`
}

func newSchedulesHistory() *cobra.Command {
	var (
		asked admin
		most  int
	)
	c := &cobra.Command{
		Use:   "history NAME",
		Short: "Say when a schedule did what",
		Long: `Says what a schedule did, the newest first: when it was due, when it was done and by
which server, and what was changed, or why it could not be. Times that were passed over
because no server was running are counted. About 1000 entries are kept.`,
		Example: `  sluice schedules history ramp-up
  sluice schedules history ramp-up --limit 0 --json`,
		Args:              wantArgs("NAME", "ramp-up"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			if err := wantMost(most); err != nil {
				return err
			}
			return asked.ask(func(r *remote) error {
				items, err := r.list(c.Context(), scheduleKind.path(args[0])+"/history", nil, "history", most)
				if err != nil {
					return err
				}
				if asked.asJSON {
					return printJSON(c.OutOrStdout(), map[string]any{"history": items})
				}
				entries, err := itemsOf[historyEntry](r, items)
				if err != nil {
					return err
				}
				t := table{
					columns: []column{{name: "DUE", whole: true}, {name: "DONE", whole: true}, {name: "BY"}, {name: "WHAT", wrap: true}},
					none:    args[0] + " has done nothing yet",
				}
				for _, e := range entries {
					due := "by hand"
					if !e.Due.IsZero() {
						due = e.Due.UTC().Format(time.RFC3339)
					}
					t.add(due, instant(e.At), e.By, e.text())
				}
				return t.print(c.OutOrStdout())
			})
		},
	}
	asked.add(c, "the history")
	addMost(c, &most)
	return c
}

// text says what was done, or why nothing was.
func (e historyEntry) text() string {
	text := changeText(e.From, e.To)
	if e.Error != "" {
		text = "error: " + e.Error
	}
	if e.Skipped > 0 {
		text += fmt.Sprintf(" (%d before it passed over)", e.Skipped)
	}
	return text
}
