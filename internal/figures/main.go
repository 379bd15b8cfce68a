// Command figures draws the pictures of docs/algorithms.md: what each algorithm admits of the same traffic.
//
// It asks the embedded store, at instants of its own, so a picture cannot differ from what the code does. It reckons in
// whole numbers only: on every machine it writes the same bytes, and its test compares them with those that are
// committed. It imports the core, memstore and the standard library.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

//go:generate go run . -o ../../docs/images

func main() {
	dir := flag.String("o", ".", "the `directory` to write to")
	flag.Parse()
	if err := write(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	for _, p := range pictures {
		drawn, err := p.draw()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, p.file), drawn, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// pictures are all that there are.
var pictures = []picture{
	{
		file:  "same-traffic.svg",
		title: "The same traffic under 60 requests a minute, by each algorithm",
		desc: "One request every two seconds, 50 more within a second before and after the end of the first minute, and " +
			"three a second from 2:30 to 3:30.",
		asks: sameTraffic(),
	},
	{
		file:  "worst-cases.svg",
		title: "The worst case of each algorithm under 60 requests a minute",
		desc:  "60 requests at once just before a minute of the clock ends, and five a second ever after.",
		asks:  worstTraffic(),
	},
}
