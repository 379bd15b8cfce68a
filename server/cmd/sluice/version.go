package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// linkedVersion is set by the linker, -ldflags "-X main.linkedVersion=v1.2.3", where the module's own version is none.
var linkedVersion string

// version returns the version of the binary, such as "v1.2.3" or "(devel)".
func version() string {
	if linkedVersion != "" {
		return linkedVersion
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// revision returns the commit that the binary was built from, "" where it is not known.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			line := fmt.Sprintf("sluice %s %s %s/%s", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			if r := revision(); r != "" {
				line += " " + r
			}
			_, err := fmt.Fprintln(c.OutOrStdout(), line)
			return err
		},
	}
}
