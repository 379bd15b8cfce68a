package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-project/sluice/policy"
)

// auditEntry is one change.
type auditEntry struct {
	At        time.Time `json:"at"`
	Who       string    `json:"who"`
	What      string    `json:"what"`
	Policy    string    `json:"policy"`
	Schedule  string    `json:"schedule"`
	Key       string    `json:"key"`
	From      string    `json:"from"`
	To        string    `json:"to"`
	Uncertain bool      `json:"uncertain"`
}

func newAudit() *cobra.Command {
	var (
		asked admin
		most  int
	)
	c := &cobra.Command{
		Use:   "audit",
		Short: "Say who changed what, and when",
		Long: `Says what was changed, the newest first: when, by whom (a person, the configuration
file, a schedule or a server), what was done to what, and what it was before and is
since. --json has it all in full. About 10000 changes are kept.`,
		Example: `  sluice audit
  sluice audit --limit 5
  sluice audit --limit 0 --json`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := wantMost(most); err != nil {
				return err
			}
			return asked.ask(func(r *remote) error {
				items, err := r.list(c.Context(), "/v1/audit", nil, "audit", most)
				if err != nil {
					return err
				}
				if asked.asJSON {
					return printJSON(c.OutOrStdout(), map[string]any{"audit": items})
				}
				entries, err := itemsOf[auditEntry](r, items)
				if err != nil {
					return err
				}
				t := table{
					columns: []column{{name: "WHEN", whole: true}, {name: "WHO", wrap: true}, {name: "WHAT", wrap: true}, {name: "CHANGE", wrap: true}},
					none:    "nothing was changed yet",
				}
				for _, e := range entries {
					t.add(instant(e.At), e.Who, e.text(), shortened(changeText(e.From, e.To), maxChange))
				}
				return t.print(c.OutOrStdout())
			})
		},
	}
	asked.add(c, "the changes")
	addMost(c, &most)
	return c
}

// maxChange is how much of a change is printed for people, in characters.
const maxChange = 160

// text says what was done to what.
func (e auditEntry) text() string {
	text := e.What
	if e.Schedule != "" {
		text += " schedule " + e.Schedule
	}
	if e.Policy != "" && e.Schedule == "" {
		text += " policy " + e.Policy
	}
	if e.Key != "" {
		text += " key " + e.Key
	}
	if e.Uncertain {
		text += " (it may have been done: the store did not say)"
	}
	return text
}

// changeText says from what to what something was changed. Of two documents it says only in what they differ.
func changeText(from, to string) string {
	switch {
	case from == "" && to == "":
		return ""
	case from == "":
		return onlyText(to)
	case to == "":
		return "was " + onlyText(from)
	}
	was, err := anyKind.leaves([]byte(from))
	if err != nil {
		return from + " -> " + to
	}
	is, err := anyKind.leaves([]byte(to))
	if err != nil {
		return from + " -> " + to
	}
	const name = "document"
	var all []string
	for _, d := range policy.DiffDocuments("", map[string][]policy.Leaf{name: was}, map[string][]policy.Leaf{name: is}) {
		text := strings.TrimPrefix(d.Path, name+".") + ": " + d.From
		switch {
		case d.From != "" && d.To != "":
			text += " -> " + d.To
		case d.To != "":
			text += d.To
		default:
			text += " taken out"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// anyKind takes apart documents of both kinds.
var anyKind = kind{apart: slices.Concat(policyKind.apart, scheduleKind.apart)}

// onlyText says what something is, of a document the values of its fields.
func onlyText(what string) string {
	leaves, err := anyKind.leaves([]byte(what))
	if err != nil {
		return what
	}
	texts := make([]string, len(leaves))
	for i, l := range leaves {
		texts[i] = leafPath(l) + " " + unquoted(l.Value)
	}
	return strings.Join(texts, ", ")
}

// addMost adds the flag that says how much of a log is wanted.
func addMost(c *cobra.Command, most *int) {
	c.Flags().IntVar(most, "limit", 100, "how many entries at most, the newest; 0 for all")
}

func wantMost(most int) error {
	if most < 0 {
		return fmt.Errorf("--limit: it is %d; it must be 0 or more", most)
	}
	return nil
}
