// Command links looks for broken links in the documentation: those that lead to a file or a heading of the tree. Links
// to elsewhere are not followed.
//
//	go run ./links [-root ..]
//
// It imports the standard library only.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

func main() {
	root := flag.String("root", "..", "the tree whose pages to read")
	flag.Parse()
	if err := check(*root); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// check returns what is wrong with the links of all pages below root.
func check(root string) error {
	var faults []error
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root:
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		found, err := checkPage(path)
		faults = append(faults, found...)
		return err
	})
	return errors.Join(append(faults, err)...)
}

var (
	link    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+?)\s*$`)
	code    = regexp.MustCompile("(?ms)^[ \t]*```.*?^[ \t]*```[ \t]*$")
)

func checkPage(path string) (faults []error, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for _, m := range link.FindAllSubmatch(code.ReplaceAll(text, nil), -1) {
		target := string(m[1])
		if strings.Contains(target, ":") {
			continue
		}
		file, anchor, _ := strings.Cut(target, "#")
		if file = filepath.FromSlash(file); file != "" {
			file = filepath.Join(filepath.Dir(path), file)
		} else {
			file = path
		}
		if _, err := os.Stat(file); err != nil {
			faults = append(faults, fmt.Errorf("%s: the link (%s) leads to no file", path, target))
		} else if anchor != "" && filepath.Ext(file) == ".md" {
			found, err := hasAnchor(file, anchor)
			if err != nil {
				return faults, err
			}
			if !found {
				faults = append(faults, fmt.Errorf("%s: the link (%s) leads to no heading of that page", path, target))
			}
		}
	}
	return faults, nil
}

// hasAnchor reports whether a page has a heading by that anchor: in lower case, without punctuation, blanks as hyphens.
func hasAnchor(path, anchor string) (bool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	for _, m := range heading.FindAllSubmatch(code.ReplaceAll(text, nil), -1) {
		if slug(string(m[1])) == anchor {
			return true, nil
		}
	}
	return false, nil
}

func slug(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || r > 127:
			return r
		}
		return -1
	}, strings.ToLower(heading))
}
