package server

import (
	"strings"
	"testing"
)

// FuzzParseSetting reads any text as the value of any setting, as a flag or the environment gives it. It is read, or
// there is an error; and it never reads as another setting beside it.
func FuzzParseSetting(f *testing.F) {
	all := Settings()
	for i, s := range all {
		f.Add(uint(i), s.Default)
	}
	for _, text := range []string{"", "10.0.0.0/8, ::1/128", "}, policies: {", "\"", "redis://u:p@h", "100ms", "1e9", "yes", "\x00\xff", "a\nb: c"} {
		f.Add(uint(3), text)
	}
	none, err := parseSetting(all[0], "127.0.0.1:1")
	if err != nil || none == nil {
		f.Fatalf("parseSetting(%s): %v", all[0].Path, err)
	}
	f.Fuzz(func(t *testing.T, which uint, text string) {
		s := all[which%uint(len(all))]
		file, err := parseSetting(s, text)
		switch {
		case err != nil && strings.TrimSpace(err.Error()) == "":
			t.Errorf("parseSetting(%s, %q) has an error without a text", s.Path, text)
		case err == nil && (len(file.Policies) > 0 || len(file.Schedules) > 0):
			t.Errorf("parseSetting(%s, %q) has made policies of it", s.Path, text)
		}
	})
}
