package main

import (
	"maps"
	"net/http"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/policy/filesource"
)

func newPoliciesApply() *cobra.Command {
	var asked admin
	c := &cobra.Command{
		Use:   "apply FILE",
		Short: "Make live what a configuration file says",
		Long: `Makes the policies and schedules of a configuration file those that are live, all at
once, whatever was changed otherwise: live ones that the file does not have are deleted.
"sluice policies diff" says before what will change. The other settings of the file are
not looked at.

Exit status: 0 done, 2 an error: nothing was changed.`,
		Example: `  sluice policies diff sluice.yaml || sluice policies apply sluice.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			file, err := loadFile(args[0])
			if err != nil {
				return err
			}
			return asked.ask(func(r *remote) error {
				q := request{method: http.MethodPut, path: "/v1/policies", body: wholeDocument(file)}
				answer, err := r.do(c.Context(), q, http.StatusOK)
				if err != nil {
					return err
				}
				var live struct {
					Policies  int `json:"policies"`
					Schedules int `json:"schedules"`
				}
				if err := r.read(answer, &live, "policies", "schedules"); err != nil {
					return err
				}
				return done(c, asked.asJSON, r.passing, live, "applied: %s, policies: %d, schedules: %d", args[0], live.Policies, live.Schedules)
			})
		},
	}
	asked.add(c, "the result")
	return c
}

// wholeDocument returns the policies and schedules of a file as one document.
func wholeDocument(file *filesource.File) []byte {
	var all []policy.Leaf
	for _, k := range []kind{policyKind, scheduleKind} {
		documents := fileDocuments(k, file)
		if len(documents) == 0 {
			all = append(all, policy.Leaf{Field: k.name, Value: "{}"})
		}
		for _, name := range slices.Sorted(maps.Keys(documents)) {
			all = append(all, policy.Leaf{Field: k.name, Name: name, Value: string(documents[name])})
		}
	}
	return policy.JoinDocument(all)
}
