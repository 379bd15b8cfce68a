package httpapi

import (
	"fmt"
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// problems.md has a section for each kind of problem, with its status, in the order of the source.
func TestProblemsAreDocumented(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("problem.go")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("problems.md")
	if err != nil {
		t.Fatal(err)
	}
	var inSource, inPage []string
	for _, m := range regexp.MustCompile(`problemKind\{"([a-z-]+)", ".*", http\.Status(\w+)\}`).FindAllSubmatch(source, -1) {
		inSource = append(inSource, fmt.Sprintf("%s %s", m[1], m[2]))
	}
	for _, m := range regexp.MustCompile(`(?m)^## ([a-z-]+)\n\nStatus (\d+)\.`).FindAllSubmatch(page, -1) {
		inPage = append(inPage, fmt.Sprintf("%s %s", m[1], statusName(string(m[2]))))
	}
	if len(inSource) < 10 {
		t.Fatalf("found %d kinds of problems in problem.go, want at least 10", len(inSource))
	}
	if diff := cmp.Diff(inSource, inPage); diff != "" {
		t.Errorf("problems.md (+) differs from problem.go (-):\n%s", diff)
	}
}

// statusName returns the name that net/http has for a status, without "Status".
func statusName(code string) string {
	names := map[string]string{
		"400": "BadRequest", "401": "Unauthorized", "403": "Forbidden", "404": "NotFound", "405": "MethodNotAllowed", "412": "PreconditionFailed", "413": "RequestEntityTooLarge",
		"415": "UnsupportedMediaType", "429": "TooManyRequests", "503": "ServiceUnavailable",
	}
	return names[code]
}
