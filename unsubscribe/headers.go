package unsubscribe

import (
	"strconv"
	"strings"
)

// Headers are the header fields about the list that a message came by.
type Headers struct {
	LeaveURL   string // https://…/u/TOKEN
	ListID     int64
	ListName   string
	Domain     string // the sending domain
	CampaignID int64
	SenderID   int64
}

// Append adds the fields, each line ended by CRLF: List-Unsubscribe
// (RFC 2369), List-Unsubscribe-Post (RFC 8058 section 3.1), List-Id
// (RFC 2919) and Feedback-ID (Gmail's complaint data: up to three ids, then
// the sender's).
func (h Headers) Append(dst []byte) []byte {
	dst = append(append(append(dst, "List-Unsubscribe: <"...), h.LeaveURL...), ">\r\n"...)
	dst = append(dst, "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"...)
	dst = append(dst, "List-Id: "...)
	if name := phrase(h.ListName); name != "" {
		dst = append(append(append(dst, '"'), name...), "\" "...)
	}
	dst = append(dst, '<')
	dst = strconv.AppendInt(dst, h.ListID, 10)
	dst = append(append(append(dst, ".list."...), h.Domain...), ">\r\n"...)
	dst = append(dst, "Feedback-ID: "...)
	dst = strconv.AppendInt(dst, h.CampaignID, 10)
	dst = append(dst, ':')
	dst = strconv.AppendInt(dst, h.ListID, 10)
	dst = append(append(append(dst, ":campaign:"...), strconv.FormatInt(h.SenderID, 10)...), "\r\n"...)
	return dst
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
