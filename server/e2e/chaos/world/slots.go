//go:build unix

package world

import (
	"fmt"
	"slices"
	"strconv"
)

// SlotsInUse returns some slots of a node of a Cluster that have keys, no more than n.
func (n *Node) SlotsInUse(most int) (slots []int, err error) {
	cursor := "0"
	for {
		answer, err := n.Do("SCAN", cursor, "COUNT", 100)
		if err != nil {
			return nil, err
		}
		page, _ := answer.([]any)
		if len(page) != 2 {
			return nil, fmt.Errorf("SCAN: %v", answer)
		}
		keys, _ := page[1].([]any)
		for _, key := range keys {
			slot, err := strconv.Atoi(n.text("CLUSTER", "KEYSLOT", key))
			if err != nil {
				return nil, fmt.Errorf("CLUSTER KEYSLOT %s: %w", key, err)
			}
			if !slices.Contains(slots, slot) {
				slots = append(slots, slot)
			}
			if len(slots) == most {
				return slots, nil
			}
		}
		if cursor = fmt.Sprint(page[0]); cursor == "0" {
			return slots, nil
		}
	}
}

// MoveSlots moves slots with their keys from one master to another, as redis-cli's reshard does, but all of them at once:
// some keys are moved, then during is called, then the others are.
func (w *World) MoveSlots(slots []int, from, to *Node, during func()) error {
	source, target := from.text("CLUSTER", "MYID"), to.text("CLUSTER", "MYID")
	for _, slot := range slots {
		if _, err := to.Do("CLUSTER", "SETSLOT", slot, "IMPORTING", source); err != nil {
			return err
		}
		if _, err := from.Do("CLUSTER", "SETSLOT", slot, "MIGRATING", target); err != nil {
			return err
		}
		if _, err := from.moveKeys(slot, to, 1); err != nil {
			return err
		}
	}
	during()
	for _, slot := range slots {
		for {
			if n, err := from.moveKeys(slot, to, 100); err != nil {
				return err
			} else if n == 0 {
				break
			}
		}
		// The new owner must know first, and then the old one: from then on no key can come into being in the slot there.
		for _, n := range append([]*Node{to, from}, w.Nodes...) { // some are told twice, and a replica need not be told
			if _, err := n.Do("CLUSTER", "SETSLOT", slot, "NODE", target); err != nil && (n == to || n == from) {
				return err
			}
		}
	}
	return nil
}

// moveKeys moves some keys of a slot, and returns how many.
func (n *Node) moveKeys(slot int, to *Node, most int) (int, error) {
	answer, err := n.Do("CLUSTER", "GETKEYSINSLOT", slot, most)
	if err != nil {
		return 0, err
	}
	keys, _ := answer.([]any)
	if len(keys) == 0 {
		return 0, nil
	}
	_, err = n.Do(append([]any{"MIGRATE", "127.0.0.1", to.port, "", 0, 1000, "KEYS"}, keys...)...)
	return len(keys), err
}
