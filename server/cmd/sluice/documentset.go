package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/sluice-project/sluice/policy"
)

// newSet returns the command that sets a document of a kind, or fields of it.
func newSet(k kind, example, fields string) *cobra.Command {
	var (
		asked admin
		match string
	)
	c := &cobra.Command{
		Use:   "set NAME (FILE | - | FIELD=VALUE...)",
		Short: "Change a " + k.one + ", or make a new one",
		Long: `Makes a ` + k.one + ` what a file says, or standard input: a document as "get --json" prints
it, in the fields of the configuration file, as JSON. What the document leaves out has
its default.

With FIELD=VALUE it changes these fields of a ` + k.one + ` that is there, and no other. A
field is named as "get" shows it; VALUE is a text or JSON, and an empty one takes the
field out. If others change the ` + k.one + ` meanwhile, it is done again on what they made
of it.

Exit status: 0 done, 2 an error: nothing was changed.`,
		Example: example,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) < 2 {
				return wrongCount(args, "NAME, and a FILE or FIELD=VALUE", k.example+" "+fields)
			}
			name := args[0]
			if err := wantName("NAME", name, k.example+" "+fields); err != nil {
				return err
			}
			meant, err := parseMeant(match)
			if err != nil {
				return err
			}
			return asked.ask(func(r *remote) error {
				answer, err := set(c.Context(), r, k, name, args[1:], meant, c.InOrStdin())
				if err != nil {
					return err
				}
				what := "set"
				if answer.status == http.StatusCreated {
					what = "created"
				}
				return done(c, asked.asJSON, r.passing, jsontext.Value(answer.body), "%s: %s, revision %s", what, name, answer.revision)
			})
		},
	}
	asked.add(c, "the "+k.one)
	addMatch(c, &match)
	return c
}

// set puts the document of a file, or changes fields.
func set(ctx context.Context, r *remote, k kind, name string, args []string, meant meantRevision, stdin io.Reader) (reply, error) {
	if len(args) == 1 && !strings.Contains(args[0], "=") {
		document, err := readDocument(args[0], stdin)
		if err != nil {
			return reply{}, err
		}
		return r.put(ctx, k, name, document, meant)
	}
	leaves := make([]policy.Leaf, len(args))
	for i, arg := range args {
		var err error
		if leaves[i], err = k.parseLeaf(arg); err != nil {
			return reply{}, err
		}
	}
	return r.change(ctx, k, name, meant, func(all []policy.Leaf) ([]policy.Leaf, error) {
		for _, l := range leaves {
			all = setLeaf(all, l)
		}
		return all, nil
	})
}

// readDocument reads a file, or standard input where it is called "-".
func readDocument(path string, stdin io.Reader) ([]byte, error) {
	if path == "-" {
		document, err := io.ReadAll(stdin)
		if err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
		return document, nil
	}
	document, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; give a file that holds the document, - for standard input, or FIELD=VALUE", err)
	}
	return document, err
}

// parseLeaf reads FIELD=VALUE.
func (k kind) parseLeaf(arg string) (l policy.Leaf, err error) {
	path, value, found := strings.Cut(arg, "=")
	if !found || path == "" {
		return l, fmt.Errorf("%.64q is no FIELD=VALUE; a document is given alone, and fields as in limits.second=20/s", arg)
	}
	if field, name, inner := strings.Cut(path, "."); inner && slices.Contains(k.apart, field) {
		l.Field, l.Name = field, name
	} else {
		l.Field = path
	}
	switch {
	case value == "":
	case jsontext.Value(value).IsValid():
		l.Value = value
	default:
		l.Value, err = quoted(value)
	}
	return l, err
}

// addMatch adds the flag that says which revision is meant.
func addMatch(c *cobra.Command, match *string) {
	c.Flags().StringVar(match, "if-match", "", "do it only at this revision: a number, 0 for one that is not there yet, or '*' for one that is")
}

// revisionForm is what --if-match can be.
var revisionForm = regexp.MustCompile(`^([0-9]{1,19}|\*)?$`)

// parseMeant reads the value of --if-match.
func parseMeant(text string) (meantRevision, error) {
	if !revisionForm.MatchString(text) {
		return "", fmt.Errorf(`--if-match: %.64q is no revision; it must be a number such as "list" shows, 0 or *`, text)
	}
	return meantRevision(text), nil
}
