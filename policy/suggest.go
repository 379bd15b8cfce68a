package policy

import (
	"fmt"
	"strings"
	"unicode"
)

// Suggest says what may have been meant by a name that is none of those that there are: "did you mean limits?", or else
// "there are key, limits".
func Suggest(name string, names []string) string {
	best, least := "", 1+max(1, len(name)/3)
	for _, candidate := range names {
		if d := distance(strings.ToLower(name), candidate, least); d < least {
			best, least = candidate, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %s?", best)
	}
	return "there are " + strings.Join(names, ", ")
}

// distance is how many letters must be added, left out, changed or swapped with their neighbour to make b of a, if that
// is less than most; else it is most.
func distance(a, b string, most int) int {
	if max(len(a), len(b))-min(len(a), len(b)) >= most {
		return most
	}
	// The rows of the matrix of distances between beginnings of a and of b: for the beginning of a that is one shorter
	// than the last row's, for the last, and for this.
	older, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], older[j-1]+1)
			}
		}
		older, last, row = last, row, older
	}
	return min(most, last[len(b)])
}

// JoinPath returns the path of a field within another, such as "policies.api". A name that would make the path
// unreadable is quoted.
func JoinPath(path, name string) string {
	strange := func(c rune) bool {
		return c > unicode.MaxASCII || !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("._-*", c)
	}
	if name == "" || len(name) > 63 || strings.ContainsFunc(name, strange) {
		name = fmt.Sprintf("%.64q", name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}
