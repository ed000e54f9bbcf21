package doctor

import "net/netip"

// Meaning is what a list's answer says; "refused" if it is about the question.
func Meaning(b Blocklist, answer netip.Addr) string {
	if refuses(answer) {
		return "refused"
	}
	return b.meaning(answer)
}
