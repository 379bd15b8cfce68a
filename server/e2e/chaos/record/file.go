package record

import (
	"bufio"
	"encoding/gob"
	"fmt"
	"os"
)

// Write writes a run to a file, for [Read].
func (r *Run) Write(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	to := bufio.NewWriter(file)
	if err := gob.NewEncoder(to).Encode(r); err != nil {
		return fmt.Errorf("write the record: %w", err)
	}
	if err := to.Flush(); err != nil {
		return fmt.Errorf("write the record: %w", err)
	}
	return nil
}

// Read reads a run from a file.
func Read(path string) (*Run, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r := new(Run)
	if err := gob.NewDecoder(bufio.NewReader(file)).Decode(r); err != nil {
		return nil, fmt.Errorf("read the record %s: %w", path, err)
	}
	return r, nil
}
