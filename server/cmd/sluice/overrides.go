package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/server/httpapi"
)

// listedOverride is an entry of the list of overrides.
type listedOverride struct {
	httpapi.OverriddenKey
	// Pattern is the key or prefix of an override that the policy's document has.
	Pattern string `json:"pattern"`
}

// limitsText says limits to people.
func limitsText(limits []sluice.Limit) string {
	texts := make([]string, len(limits))
	for i, l := range limits {
		texts[i] = l.Name() + " " + l.String()
	}
	return strings.Join(texts, ", ")
}

func newOverrides() *cobra.Command {
	var asked admin
	c := &cobra.Command{
		Use:   "overrides POLICY",
		Short: "List the keys and prefixes that have limits of their own",
		Long: `Lists the overrides of a policy: first those of its document, which has all prefixes,
then those of single keys. A key that the store keeps as a hash only is listed as that.
In the JSON, those of the document have a "pattern" in the place of a "key".`,
		Example: `  sluice overrides api
  sluice overrides api --json`,
		Args:              wantArgs("POLICY", "api"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			return asked.ask(func(r *remote) error {
				items, err := documentOverrides(c, r, args[0])
				if err != nil {
					return err
				}
				ofKeys, err := r.list(c.Context(), "/v1/overrides", url.Values{"policy": args}, "overrides", 0)
				if err != nil {
					return err
				}
				items = append(items, ofKeys...)
				if asked.asJSON {
					return printJSON(c.OutOrStdout(), map[string]any{"overrides": items})
				}
				overrides, err := itemsOf[listedOverride](r, items)
				if err != nil {
					return err
				}
				t := table{
					columns: []column{{name: "KEY"}, {name: "IN", whole: true}, {name: "LIMITS", wrap: true}, {name: "UNTIL", whole: true}},
					none:    fmt.Sprintf("no key of %s has limits of its own", args[0]),
				}
				for _, o := range overrides {
					key, in := listedKey(o.Key, o.KeyBase64), "store"
					if o.Pattern != "" {
						key, in = shown(o.Pattern), "policy"
					}
					t.add(key, in, limitsText(o.Limits), lasting(o.Until))
				}
				return t.print(c.OutOrStdout())
			})
		},
	}
	asked.add(c, "the list")
	return c
}

// documentOverrides returns the overrides that the document of a policy has, as entries of the list.
func documentOverrides(c *cobra.Command, r *remote, name string) ([]jsontext.Value, error) {
	answer, err := r.document(c.Context(), policyKind, name)
	if err != nil {
		return nil, err
	}
	leaves, err := policyKind.leaves(answer.body)
	if err != nil {
		return nil, err
	}
	items := []jsontext.Value{}
	for _, l := range leaves {
		if l.Field != "overrides" || l.Name == "" {
			continue
		}
		pattern, err := quoted(l.Name)
		if err != nil {
			return nil, err
		}
		fields, err := policy.SplitDocument([]byte(l.Value))
		if err != nil {
			return nil, err
		}
		items = append(items, policy.JoinDocument(slices.Insert(fields, 0, policy.Leaf{Field: "pattern", Value: pattern})))
	}
	return items, nil
}
