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
// (RFC 2919), Feedback-ID (Gmail's complaint data: up to three ids, then the
// sender's), and CFBL-Address (RFC 9477) where complaints can be sent to.
func NewHeaders(listID int64, listName, domain string, campaignID, senderID int64, complaintsAddress string) Headers {
	var b []byte
	b = append(b, "\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nList-Id: "...)
	if name := phrase(listName); name != "" {
		b = append(append(append(b, '"'), name...), "\" "...)
	}
	b = fmt.Appendf(b, "<%d.list.%s>\r\nFeedback-ID: %d:%d:campaign:%d\r\n", listID, domain, campaignID, listID, senderID)
	if complaintsAddress != "" {
		b = fmt.Appendf(b, "CFBL-Address: %s; report=arf\r\n", complaintsAddress)
	}
	return Headers{constant: b}
}

// Append adds the fields, each line ended by CRLF, with List-Unsubscribe
// (RFC 2369) and List-Unsubscribe-Post (RFC 8058 section 3.1) to leaveURL.
// leaveAddress takes mails that unsubscribe; "" while it is not known that they
// come home.
func (h Headers) Append(dst []byte, leaveURL, leaveAddress string) []byte {
	dst = append(append(append(dst, "List-Unsubscribe: <"...), leaveURL...), '>')
	if leaveAddress != "" {
		dst = append(append(append(dst, ",\r\n <mailto:"...), leaveAddress...), "?subject=unsubscribe>"...)
	}
	return append(dst, h.constant...)
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
