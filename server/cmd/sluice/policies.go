package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/sluice-project/sluice/policy"
)

func newPolicies() *cobra.Command {
	c := &cobra.Command{
		Use:   "policies",
		Short: "Show and change the live policies",
		Long: `Shows and changes the policies by which the servers decide. A change holds on every
server that shares the store within a second. What keys have used stays used.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		newPoliciesList(),
		newGet(policyKind),
		newSet(policyKind, `  sluice policies set api limits.second=20/s shadow=true
  sluice policies set api limits.day= block.after=100 block.within=1m block.for=15m
  sluice policies set api api.json --if-match 12
  echo '{"limits": ["5/15m"]}' | sluice policies set signup - --if-match 0`, "limits.second=20/s"),
		newPoliciesDiff(), newPoliciesApply(), newPoliciesReset(),
		newDelete(policyKind, "What keys have used of it stays until it expires. One that a schedule is about cannot\nbe taken away: delete the schedule first."),
	)
	return c
}

func newPoliciesList() *cobra.Command {
	var asked admin
	c := &cobra.Command{
		Use:               "list",
		Short:             "List the live policies",
		Long:              `Lists the live policies with their revisions: every change of a policy makes another.`,
		Example:           `  sluice policies list`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			return asked.ask(func(r *remote) error {
				all, answer, err := r.documents(c.Context(), policyKind)
				if err != nil {
					return err
				}
				if asked.asJSON {
					return printJSON(c.OutOrStdout(), jsontext.Value(answer.body))
				}
				var more struct {
					Revisions map[string]string `json:"revisions"`
				}
				if err := r.read(answer, &more, "revisions"); err != nil {
					return err
				}
				t := table{
					columns: []column{{name: "NAME"}, {name: "REVISION", whole: true}, {name: "LIMITS", wrap: true}, {name: "BESIDES", wrap: true}},
					none:    "there are no policies",
				}
				for _, name := range slices.Sorted(maps.Keys(all)) {
					leaves, err := policyKind.leaves(all[name])
					if err != nil {
						return err
					}
					limits, besides := policyText(leaves)
					t.add(name, more.Revisions[name], limits, besides)
				}
				return t.print(c.OutOrStdout())
			})
		},
	}
	asked.add(c, "the policies")
	return c
}

// usual are the values of fields that are not worth telling.
var usual = map[string]string{"missing": "refuse", "on_error": "allow", "shadow": "false", "deny_cache": "false"}

// policyText says the limits of a policy, and what is unusual about it.
func policyText(leaves []policy.Leaf) (limits, besides string) {
	var (
		ofLimits, others []string
		block, lease     = map[string]string{}, map[string]string{}
		overrides        int
	)
	for _, l := range leaves {
		value := unquoted(l.Value)
		switch l.Field {
		case "limits":
			ofLimits = append(ofLimits, l.Name+" "+value)
		case "block":
			block[l.Name] = value
		case "lease":
			lease[l.Name] = value
		case "overrides":
			overrides++
		case "missing", "on_error", "shadow", "deny_cache":
			if value != usual[l.Field] {
				others = append(others, l.Field+" "+value)
			}
		}
	}
	if len(block) > 0 {
		others = append(others, fmt.Sprintf("block for %s after %s in %s", block["for"], block["after"], block["within"]))
	}
	if len(lease) > 0 {
		others = append(others, fmt.Sprintf("lease of %s for %s", lease["share"], lease["ttl"]))
	}
	if overrides > 0 {
		others = append(others, fmt.Sprintf("overrides %d", overrides))
	}
	return strings.Join(ofLimits, ", "), strings.Join(others, ", ")
}
