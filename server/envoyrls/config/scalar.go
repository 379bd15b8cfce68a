package config

import (
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// plain reports whether a scalar stands without quotes and tags, so that it need not be text.
func plain(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Style == 0 }

func null(text string) bool {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return true
	}
	return false
}

// scalar returns what a scalar means by YAML 1.1: nil, a bool, a float64 or text.
func scalar(n *yaml.Node) any {
	if !plain(n) {
		return n.Value
	}
	if null(n.Value) {
		return nil
	}
	switch n.Value {
	case "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON":
		return true
	case "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF":
		return false
	}
	if i, ok := whole(n); ok {
		return float64(i)
	}
	if f, err := strconv.ParseFloat(strings.ReplaceAll(n.Value, "_", ""), 64); err == nil && number(n.Value) && !math.IsInf(f, 0) {
		return f
	}
	return n.Value
}

// number reports whether a text is spelled with what numbers are spelled with: "inf" and its like are text.
func number(text string) bool {
	return strings.Trim(text, "0123456789+-._eE") == "" && strings.ContainsAny(text, "0123456789")
}

// whole returns the whole number that a plain scalar is: decimal, or with 0x, 0b, 0o or 0 before it.
func whole(n *yaml.Node) (int64, bool) {
	if !plain(n) || n.Value == "" || n.Value[0] == '_' {
		return 0, false
	}
	i, err := strconv.ParseInt(strings.ReplaceAll(n.Value, "_", ""), 0, 64)
	return i, err == nil
}
