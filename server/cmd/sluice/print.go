package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/server/httpapi"
)

// printJSON prints a value for programs, as one line.
func printJSON(w io.Writer, v any) error {
	text, err := json.Marshal(v, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}

// decisionText says a decision to people, in one line.
func decisionText(d httpapi.Decision) string {
	denied := strings.Join(d.DeniedBy, ", ")
	switch {
	case d.Source == sluice.SourceErrorPolicy.String() && d.Allowed:
		return "allowed, though nobody knows: the store did not answer (on_error: allow)"
	case d.Source == sluice.SourceErrorPolicy.String():
		return "refused, though nobody knows: the store did not answer (on_error: deny)"
	case d.ShadowDenied:
		return fmt.Sprintf("allowed by shadow: true, else refused by %s: remaining %d", denied, d.Remaining)
	case d.Allowed:
		return fmt.Sprintf("allowed: remaining %d, all back in %s", d.Remaining, span(d.ResetAfterMS))
	case d.RetryAfterMS == nil:
		return fmt.Sprintf("refused by %s: a cost of %d can never fit, remaining %d", denied, d.Cost, d.Remaining)
	}
	return fmt.Sprintf("refused by %s: retry in %s, remaining %d", denied, span(*d.RetryAfterMS), d.Remaining)
}

// printState prints what a check would be answered, and what each limit holds, as a table.
func printState(w io.Writer, d httpapi.Decision) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(t, "would be %s\n\n", decisionText(d))
	_, _ = fmt.Fprintln(t, "LIMIT\tRATE\tREMAINING\tALL BACK IN") // Flush returns what goes wrong
	for _, l := range d.Limits {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%d\t%s\n", l.Name, l.Limit, l.Remaining, span(l.ResetAfterMS))
	}
	return t.Flush()
}

func span(ms int64) string { return (time.Duration(ms) * time.Millisecond).String() }

// shown is a key as it can be printed to a terminal.
func shown(key string) string {
	quoted := strconv.Quote(key)
	if utf8.ValidString(key) && quoted == `"`+key+`"` {
		return key
	}
	return quoted
}
