package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-project/sluice/server/envoyrls/config"
)

func newImport() *cobra.Command {
	c := &cobra.Command{
		Use:   "import",
		Short: "Print what other programs' configurations are as one of Sluice",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newImportEnvoy())
	return c
}

func newImportEnvoy() *cobra.Command {
	var options config.Options
	c := &cobra.Command{
		Use:   "envoy DIRECTORY",
		Short: "Print rate limit files of envoyproxy/ratelimit as policies",
		Long: `Reads the rate limit files of a directory and prints a configuration file with a
policy for each rule, for those who will ask over HTTP or by the library. What has no
equivalent follows as comments.

To answer Envoy nothing needs to be imported: give the server the directory itself,
by "envoy: {directory: DIRECTORY}".`,
		Example: `  sluice import envoy ./ratelimit > sluice.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			from, err := config.Load(args[0], options)
			if err != nil {
				return err
			}
			return printImported(c.OutOrStdout(), args[0], from)
		},
	}
	c.Flags().BoolVar(&options.Merge, "merge-domains", false, "join the files of one domain")
	c.Flags().BoolVar(&options.AllFiles, "all-files", false, "read files whose names do not end in .yaml or .yml too")
	return c
}

// imported is a configuration file while it is written.
type imported struct {
	policies, none strings.Builder
	names          map[string]bool
}

func printImported(w io.Writer, dir string, from *config.Config) error {
	out := imported{names: map[string]bool{}}
	for _, r := range from.Rules {
		out.add(r)
	}
	text := fmt.Sprintf("# A policy for each rule of %s.\n# To answer Envoy by these files as they are, write instead:\n#\n"+
		"#   envoy: {directory: %s}\n\n", oneLine(dir), quoteYAML(dir))
	if out.policies.Len() == 0 {
		out.policies.WriteString("policies: {}\n")
	}
	text += out.policies.String()
	if out.none.Len() > 0 {
		text += "\n# What has no equivalent:\n#\n" + out.none.String()
	}
	_, err := io.WriteString(w, text)
	return err
}

// add writes the policy of a rule, and what of it has no equivalent.
func (out *imported) add(r *config.Rule) {
	where := fmt.Sprintf("%s:%d: %s of %s", r.File, r.Line, r.Path, r.Domain)
	lacks := func(what string) { fmt.Fprintf(&out.none, "#   %s: %s\n", oneLine(where), what) }
	switch {
	case r.Unlimited:
		lacks("unlimited: have nobody ask")
		return
	case r.Requests == 0:
		lacks("0 requests: a policy lets at least one through; block the key, or refuse before asking")
		return
	}
	if out.policies.Len() == 0 {
		out.policies.WriteString("policies:\n")
	}
	name := out.name(r.Domain + "." + r.Path)
	fmt.Fprintf(&out.policies, "  # %s\n  # The key is %s.\n  %s:\n    limits: {%s: %s}\n",
		oneLine(where), keyOf(r), name, r.Limit.Name(), r.Limit)
	if r.Shadow {
		out.policies.WriteString("    shadow: true\n")
	}
	for _, missing := range []struct {
		is   bool
		what string
	}{
		{r.Quota, "quota_mode: a policy refuses by itself"},
		{len(r.Replaces) > 0, "replaces: ask only the policy that shall hold"},
		{r.ChargeRefused, "charge_refused: a refusal takes nothing"},
		{r.DetailedMetric || r.ByValue, "values in metrics: the label of a policy is its name"},
		{r.Metadata != nil, "metadata: a policy has none"},
	} {
		if missing.is {
			lacks(missing.what)
		}
	}
}

// keyOf says which key a caller sends for a rule.
func keyOf(r *config.Rule) string {
	var parts []string
	for _, p := range r.Parts {
		switch {
		case p.Value == "":
			parts = append(parts, "the value of "+oneLine(p.Key))
		case strings.Contains(p.Value, "*") && !p.Shared:
			parts = append(parts, fmt.Sprintf("the value of %s, which is like %s", oneLine(p.Key), oneLine(p.Value)))
		}
	}
	if parts == nil {
		return "always the same, such as all"
	}
	return strings.Join(parts, ", then ")
}

// name returns a policy's name that is like a text and unlike all before.
func (out *imported) name(like string) string {
	const most = 56 // of 63, so that a number fits
	clean := strings.Map(func(c rune) rune {
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '_' {
			return c
		}
		return '-'
	}, strings.ToLower(like))
	clean = strings.TrimLeft(clean, "._-")
	clean = cmp.Or(clean[:min(len(clean), most)], "rule")
	name := clean
	for i := 2; out.names[name]; i++ {
		name = fmt.Sprintf("%s-%d", clean, i)
	}
	out.names[name] = true
	return quoteYAML(name)
}

// quoteYAML returns a text as YAML has it: a policy's name may look like a number.
func quoteYAML(text string) string {
	quoted, _ := json.Marshal(text) // a string always has a JSON form
	return string(quoted)
}

// oneLine returns a text without line breaks and control characters, for a comment.
func oneLine(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == 0x85 || c == 0x2028 || c == 0x2029 {
			return '?'
		}
		return c
	}, text)
}
