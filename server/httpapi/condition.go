package httpapi

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/sluice-project/sluice/control"
)

// condition is of which revision a change is meant.
type condition struct {
	meant control.Revision
	there bool // whichever there is, but there must be one: If-Match: *
}

// noRevision is what no policy and no schedule is ever at.
const noRevision control.Revision = math.MaxInt64

// parseCondition reads If-Match and If-None-Match of a change. Without them it is meant for whatever there is, or is not.
func parseCondition(h http.Header) (condition, error) {
	match, none := h.Values("If-Match"), h.Values("If-None-Match")
	switch {
	case len(match) > 0 && len(none) > 0:
		return condition{}, newFault(invalidValue, "If-None-Match", "it cannot be given beside If-Match: leave out one of the two")
	case len(none) > 0:
		if strings.TrimSpace(strings.Join(none, ",")) != "*" {
			return condition{}, newFault(invalidValue, "If-None-Match", `it can only be *, for what must not be there yet; If-Match takes an ETag`)
		}
		return condition{meant: 0}, nil
	case len(match) == 0:
		return condition{meant: control.AnyRevision}, nil
	}
	tag, problem := parseTag(strings.Join(match, ","))
	switch {
	case problem != "":
		return condition{}, newFault(invalidValue, "If-Match", "%s", problem)
	case tag == "*":
		return condition{there: true}, nil
	}
	return condition{meant: revisionOf(tag)}, nil
}

// parseTag reads one strong entity tag as in RFC 9110, section 8.8.3, without its quotation marks, or an asterisk. The
// problem says what is wrong with it; it is empty where nothing is.
func parseTag(text string) (tag, problem string) {
	const remedy = `send the ETag of the answer that you read, as in "17"`
	text = strings.Trim(text, " \t")
	switch {
	case text == "*":
		return text, ""
	case strings.HasPrefix(text, "W/"):
		return "", "it is a weak tag, which cannot guard a change; " + remedy + ", without W/"
	case !strings.HasPrefix(text, `"`):
		return "", "it is no tag in quotation marks; " + remedy + ", or *"
	}
	tag, rest, closed := strings.Cut(text[1:], `"`)
	illegal := func(c rune) bool { return c <= ' ' || c == 0x7f }
	switch {
	case !closed || strings.ContainsFunc(tag, illegal):
		return "", "it is no tag of printable characters in quotation marks; " + remedy
	case strings.HasPrefix(strings.TrimLeft(rest, " \t"), ","):
		return "", "it is a list, and there is only one revision to change; " + remedy
	case rest != "":
		return "", "something follows the tag; " + remedy
	}
	return tag, ""
}

// revisionOf returns the revision that has a tag; noRevision where none can have it.
func revisionOf(tag string) control.Revision {
	n, err := strconv.ParseInt(tag, 10, 64)
	if r := control.Revision(n); err == nil && n > 0 && r.String() == tag {
		return r
	}
	return noRevision
}

// guard makes a change of what the condition means.
func (c condition) guard(change func(meant control.Revision) error) error {
	if !c.there {
		return change(c.meant)
	}
	const attempts = 20
	meant := noRevision // so that the first attempt says which there is
	for attempt := 1; ; attempt++ {
		err := change(meant)
		conflict := (*control.RevisionError)(nil)
		if !errors.As(err, &conflict) || conflict.Current == 0 || attempt == attempts {
			return err
		}
		meant = conflict.Current
	}
}

// wantNoCondition refuses a condition where a call does not look at any.
func wantNoCondition(h http.Header) error {
	for _, name := range []string{"If-Match", "If-None-Match"} {
		if len(h.Values(name)) > 0 {
			return newFault(invalidValue, name, "this call is meant for whatever there is, and would not look at it: leave it out")
		}
	}
	return nil
}

// showDocument answers with the document of a policy or a schedule, or with 304 where the caller has it: If-None-Match has
// its tag, of which a cache on the way may have made a weak one.
func showDocument(w http.ResponseWriter, r *http.Request, document []byte, revision control.Revision) {
	tag := setTag(w, revision)
	if tag != "" && strings.TrimPrefix(r.Header.Get("If-None-Match"), "W/") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	writeDocument(w, http.StatusOK, document, revision)
}

// writeDocument answers with a document and its ETag.
func writeDocument(w http.ResponseWriter, status int, document []byte, revision control.Revision) {
	setTag(w, revision)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(document, '\n')) // a caller that has gone needs no answer
}

// setTag sets the ETag of a revision and returns it; there is none before the ledger was reached.
func setTag(w http.ResponseWriter, revision control.Revision) string {
	if revision == 0 {
		return ""
	}
	tag := `"` + revision.String() + `"`
	w.Header().Set("ETag", tag)
	return tag
}
