//go:build unix

package world

import (
	"strings"
	"testing"
)

// TestRewriter gives the rewriter what nodes say, cut at every place: what comes out must not depend on that, and nothing may
// be kept back at the end of a reply.
func TestRewriter(t *testing.T) {
	t.Parallel()
	ports := map[int]int{12345: 15555, 15555: 16666}
	for text, want := range map[string]string{
		"*2\r\n$9\r\n127.0.0.1\r\n$5\r\n12345\r\n":                    "*2\r\n$9\r\n127.0.0.1\r\n$5\r\n15555\r\n",
		"*3\r\n:0\r\n:5460\r\n*2\r\n$9\r\n127.0.0.1\r\n:12345\r\n":    "*3\r\n:0\r\n:5460\r\n*2\r\n$9\r\n127.0.0.1\r\n:15555\r\n",
		"-MOVED 3999 127.0.0.1:12345\r\n":                             "-MOVED 3999 127.0.0.1:15555\r\n",
		"+main 127.0.0.1 12345 127.0.0.1 15555\r\n":                   "+main 127.0.0.1 15555 127.0.0.1 16666\r\n",
		"$6\r\n123456\r\n:112345\r\n:1234\r\n$6\r\nx12345\r\n":        "$6\r\n123456\r\n:112345\r\n:1234\r\n$6\r\nx12345\r\n",
		"$40\r\n" + strings.Repeat("1", 40) + "\r\n:99999\r\n+OK\r\n": "$40\r\n" + strings.Repeat("1", 40) + "\r\n:99999\r\n+OK\r\n",
	} {
		for first := 0; first <= len(text); first++ {
			for second := first; second <= len(text); second++ {
				r := rewriter{ports: ports}
				var got strings.Builder
				for _, piece := range []string{text[:first], text[first:second], text[second:]} {
					got.Write(r.next([]byte(piece)))
				}
				if got.String() != want {
					t.Fatalf("%q in pieces cut at %d and %d is %q, want %q", text, first, second, got.String(), want)
				}
			}
		}
	}
}
