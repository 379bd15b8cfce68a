package server

import "github.com/sluice-project/sluice/policy/filesource"

// Effective returns the settings that a server would go by: those of the flags, over those of the environment, over those
// of the file.
func Effective(c Config) (*filesource.File, error) { return c.read() }
