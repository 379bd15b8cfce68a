package ledger

import (
	"fmt"
	"strings"

	"github.com/sluice-project/sluice"
)

// MostItems is how many expectations, entries or lines a change may have of each, and how many lines a log.
const MostItems = 100_000

// Validate returns a [*sluice.InvalidError] unless the change can be committed: kinds are words of a-z, names have no
// NUL, and numbers are in their ranges. What entries say is not looked at.
func (c *Change) Validate() error {
	for _, list := range []struct {
		field string
		items int
	}{{"expect", len(c.Expect)}, {"delete", len(c.Delete)}, {"put", len(c.Put)}, {"append", len(c.Append)}} {
		if list.items > MostItems {
			return invalid(list.field, "it has %d items; it must have at most %d", list.items, MostItems)
		}
	}
	if c.Restore < 0 || c.Restore > MostRevision {
		return invalid("restore", "it is %d; it must be a version, or 0 for none", c.Restore)
	}
	for i, e := range c.Expect {
		if err := validateID("expect", i, e.Kind, e.Name); err != nil {
			return err
		}
		if e.Revision < 0 || e.Revision > MostRevision {
			return invalid(at("expect", i), "its revision is %d; it must be a version, or 0 for no entry", e.Revision)
		}
	}
	for i, e := range c.Delete {
		if err := validateID("delete", i, e.Kind, e.Name); err != nil {
			return err
		}
	}
	for i, e := range c.Put {
		if err := validateID("put", i, e.Kind, e.Name); err != nil {
			return err
		}
	}
	for i, a := range c.Append {
		switch {
		case strings.Contains(a.Log, "\x00"):
			return invalid(at("append", i), "the log's name %.64q has a NUL; it must have none", a.Log)
		case a.Keep < 1 || a.Keep > MostItems:
			return invalid(at("append", i), "the log is to keep %d lines; it must be 1 to %d", a.Keep, MostItems)
		}
	}
	return nil
}

// ValidatePage returns a [*sluice.InvalidError] unless so many lines can be asked for.
func ValidatePage(most int) error {
	if most < 1 || most > MostItems {
		return invalid("most", "it is %d; it must be 1 to %d", most, MostItems)
	}
	return nil
}

func validateID(field string, i int, kind, name string) error {
	if kind == "" || strings.Trim(kind, "abcdefghijklmnopqrstuvwxyz") != "" {
		return invalid(at(field, i), "the kind is %.64q; it must be a word of a-z", kind)
	}
	if strings.Contains(name, "\x00") {
		return invalid(at(field, i), "the name %.64q has a NUL; it must have none", name)
	}
	return nil
}

func at(field string, i int) string { return fmt.Sprintf("%s[%d]", field, i) }

func invalid(field, problem string, args ...any) error {
	return &sluice.InvalidError{Field: field, Problem: fmt.Sprintf(problem, args...)}
}
