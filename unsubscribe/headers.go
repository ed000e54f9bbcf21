package unsubscribe

import (
	"fmt"
	"strings"
)

// Headers are the header fields about the list that a message came by, laid
// out once for each list of a campaign.
type Headers struct {
	constant []byte
}

// NewHeaders lays out what is the same for everybody on the list: List-Id
// (RFC 2919) and Feedback-ID (Gmail's complaint data: up to three ids, then
// the sender's).
func NewHeaders(listID int64, listName, domain string, campaignID, senderID int64) Headers {
	var b []byte
	b = append(b, ">\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nList-Id: "...)
	if name := phrase(listName); name != "" {
		b = append(append(append(b, '"'), name...), "\" "...)
	}
	b = fmt.Appendf(b, "<%d.list.%s>\r\nFeedback-ID: %d:%d:campaign:%d\r\n", listID, domain, campaignID, listID, senderID)
	return Headers{constant: b}
}

// Append adds the fields, each line ended by CRLF, with List-Unsubscribe
// (RFC 2369) and List-Unsubscribe-Post (RFC 8058 section 3.1) to leaveURL.
func (h Headers) Append(dst []byte, leaveURL string) []byte {
	return append(append(append(dst, "List-Unsubscribe: <"...), leaveURL...), h.constant...)
}

// phrase is a list's name as a quoted phrase can hold it: printable ASCII, or nothing.
func phrase(name string) string {
	if len(name) > 60 {
		return ""
	}
	for _, r := range name {
		if r < ' ' || r > '~' {
			return ""
		}
	}
	return strings.NewReplacer(`\`, "", `"`, "").Replace(name)
}
