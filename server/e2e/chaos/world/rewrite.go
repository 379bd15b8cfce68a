//go:build unix

package world

import "strconv"

// rewriter puts the ports of proxies in the place of the ports of nodes, in what nodes say: Sentinel and the nodes of a
// Cluster tell clients where to go, and a client that went there would go around its proxy. All ports have five digits,
// so no length changes.
//
// A port stands after a colon (an integer, or the end of an address), a line feed (a bulk string) or a space, and before
// none of these but no digit. Digits at the end of a piece are kept until the next one comes; no reply ends with a digit.
type rewriter struct {
	ports map[int]int
	kept  []byte // digits that the last piece ended with
	last  byte   // what came before the kept digits
}

const portDigits = 5

// next returns what may be passed on after a further piece. It is good until the call after it.
func (r *rewriter) next(piece []byte) []byte {
	all := append(r.kept, piece...)
	last := r.last
	for i := 0; i < len(all); {
		if !isDigit(all[i]) {
			last = all[i]
			i++
			continue
		}
		end := i
		for end < len(all) && isDigit(all[end]) {
			end++
		}
		if end == len(all) && end-i <= portDigits {
			r.last = last
			r.kept = append([]byte(nil), all[i:]...)
			return all[:i]
		}
		if end-i == portDigits && (last == ':' || last == '\n' || last == ' ') {
			port, _ := strconv.Atoi(string(all[i:end])) // they are digits
			if to, known := r.ports[port]; known {
				copy(all[i:end], strconv.Itoa(to))
			}
		}
		last = all[end-1]
		i = end
	}
	r.last, r.kept = last, nil
	return all
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }
