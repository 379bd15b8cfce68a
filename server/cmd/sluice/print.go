package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
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
	case d.Blocked != nil && d.ShadowDenied:
		return "allowed by shadow: true, else refused: blocked " + blockText(*d.Blocked)
	case d.Blocked != nil:
		return "refused: blocked " + blockText(*d.Blocked)
	case d.Source == sluice.SourceErrorPolicy.String() && d.Allowed:
		return "allowed, though nobody knows: the store did not answer (on_error: allow)"
	case d.Source == sluice.SourceErrorPolicy.String():
		return "refused, though nobody knows: the store did not answer (on_error: deny)"
	case d.Source == sluice.SourceFallback.String() && d.Allowed && !d.ShadowDenied:
		return fmt.Sprintf("allowed by the server's share, because the store did not answer (on_error: local): remaining %d", d.Remaining)
	case d.ShadowDenied:
		return fmt.Sprintf("allowed by shadow: true, else refused by %s: remaining %d", denied, d.Remaining)
	case d.Allowed:
		return fmt.Sprintf("allowed: remaining %d, all back in %s", d.Remaining, span(d.ResetAfterMS))
	case d.RetryAfterMS == nil:
		return fmt.Sprintf("refused by %s: a cost of %d can never fit, remaining %d", denied, d.Cost, d.Remaining)
	}
	return fmt.Sprintf("refused by %s: retry in %s, remaining %d", denied, span(*d.RetryAfterMS), d.Remaining)
}

// blockText says to people until when a key is blocked, and why.
func blockText(b httpapi.Blocked) string {
	text := untilText(b.Until)
	if b.Reason != "" {
		text += ", " + printable(b.Reason)
	}
	return text
}

// printState prints what a check would be answered, what each limit holds, and the standing of the key.
func printState(w io.Writer, s httpapi.KeyState) error {
	if _, err := fmt.Fprintf(w, "would be %s\n\n", decisionText(s.Decision)); err != nil {
		return err
	}
	t := table{columns: []column{{name: "LIMIT"}, {name: "RATE"}, {name: "REMAINING", whole: true}, {name: "ALL BACK IN", whole: true}}}
	for _, l := range s.Limits {
		t.add(l.Name, l.Limit, strconv.FormatInt(l.Remaining, 10), span(l.ResetAfterMS))
	}
	if err := t.print(w); err != nil {
		return err
	}
	var lines []string
	if s.Override != nil {
		lines = append(lines, "override: these limits are the key's own, "+untilText(s.Override.Until))
	}
	if s.Refusals > 0 || s.PastBlocks > 0 {
		lines = append(lines, fmt.Sprintf("penalty: refusals counted: %d, past blocks: %d", s.Refusals, s.PastBlocks))
	}
	if len(lines) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "\n%s\n", strings.Join(lines, "\n"))
	return err
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
