package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/policy/filesource"
)

func newPoliciesDiff() *cobra.Command {
	var asked admin
	c := &cobra.Command{
		Use:   "diff FILE",
		Short: "Say in what a configuration file differs from what is live",
		Long: `Reads the policies and schedules of a configuration file, and says in what the live ones
differ from it. Nothing is changed.

Exit status: 0 there is no difference, 1 there is, 2 an error.`,
		Example: `  sluice policies diff sluice.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			file, err := loadFile(args[0])
			if err != nil {
				return err
			}
			return asked.ask(func(r *remote) error {
				all, err := differences(c.Context(), r, file)
				if err != nil {
					return err
				}
				if asked.asJSON {
					err = printJSON(c.OutOrStdout(), map[string]any{"differences": all})
				} else {
					err = printDifferences(c, all)
				}
				if err == nil && len(all) > 0 {
					err = errDifferent
				}
				return err
			})
		},
	}
	asked.add(c, "the differences")
	return c
}

// difference is one thing in which the live documents differ from those of a file.
type difference struct {
	Path string `json:"path"`
	// Live and File are what it is; nil where there is none.
	Live *string `json:"live"`
	File *string `json:"file"`
}

// differences returns in what live documents differ from a file.
func differences(ctx context.Context, r *remote, file *filesource.File) ([]difference, error) {
	all := []difference{}
	for _, k := range []kind{policyKind, scheduleKind} {
		live, _, err := r.documents(ctx, k)
		if err != nil {
			return nil, err
		}
		from := make(map[string][]policy.Leaf)
		for name, document := range live {
			if from[name], err = k.leaves(document); err != nil {
				return nil, fmt.Errorf("%s %s: %w", k.one, name, err)
			}
		}
		to := make(map[string][]policy.Leaf)
		for name, document := range fileDocuments(k, file) {
			if to[name], err = k.leaves(document); err != nil {
				return nil, fmt.Errorf("%s %s: %w", k.one, name, err)
			}
		}
		for _, d := range policy.DiffDocuments(k.name, from, to) {
			all = append(all, difference{d.Path, present(d.From), present(d.To)})
		}
	}
	return all, nil
}

// fileDocuments returns the documents of a kind that a file has, by name.
func fileDocuments(k kind, file *filesource.File) map[string][]byte {
	all := make(map[string][]byte)
	if k.name == scheduleKind.name {
		for _, s := range file.Schedules {
			all[s.Name] = s.Document()
		}
		return all
	}
	for _, p := range file.Policies {
		all[p.Name] = p.Document()
	}
	return all
}

// present returns a text, nil where there is none.
func present(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func printDifferences(c *cobra.Command, all []difference) error {
	t := table{
		columns: []column{{name: "FIELD", wrap: true}, {name: "LIVE", wrap: true}, {name: "FILE", wrap: true}},
		none:    "what is live is what the file says",
	}
	text := func(value *string) string {
		if value == nil {
			return "-"
		}
		return *value
	}
	for _, d := range all {
		t.add(d.Path, text(d.Live), text(d.File))
	}
	return t.print(c.OutOrStdout())
}

// loadFile reads a configuration file.
func loadFile(path string) (*filesource.File, error) {
	file, err := filesource.Load(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; give the path of a configuration file, as in sluice.yaml", err)
	}
	return file, err
}
