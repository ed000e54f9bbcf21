package feedback

import (
	"net/url"
	"strconv"
	"strings"

	"facteur/internal/keyring"
	"facteur/unsubscribe"
)

// Signs are by what a mail of ours may be known again. All of them are
// anybody's to write; only what we have signed finds something.
type Signs struct {
	Return     []string // envelope senders, or whom a report itself was sent to
	MessageIDs []string // without brackets
	Leave      []string // addresses of List-Unsubscribe
	FeedbackID string   // not signed: a hint where nothing else is left
}

// find is the delivery, or the letter (campaign 0), that the signs prove.
func (s Signs) find(k *keyring.Keyring) (unsubscribe.Reference, FoundBy, bool) {
	for _, address := range s.Return {
		if ref, err := unsubscribe.ParseReturnAddress(k, address); err == nil {
			return ref, ByReturn, true
		}
	}
	for _, id := range s.MessageIDs {
		if ref, err := unsubscribe.ParseMessageID(k, id); err == nil {
			return ref, ByMessageID, true
		}
	}
	for _, way := range s.Leave {
		if ref, ok := leaving(k, way); ok {
			return ref, ByLeave, true
		}
	}
	return unsubscribe.Reference{}, "", false
}

// leaving reads one of the ways of List-Unsubscribe.
func leaving(k *keyring.Keyring, way string) (unsubscribe.Reference, bool) {
	u, err := url.Parse(way)
	if err != nil {
		return unsubscribe.Reference{}, false
	}
	if strings.EqualFold(u.Scheme, "mailto") {
		ref, err := unsubscribe.ParseLeaveAddress(k, u.Opaque)
		return ref, err == nil
	}
	at := strings.LastIndex(u.Path, "/u/")
	if at < 0 {
		return unsubscribe.Reference{}, false
	}
	ref, err := unsubscribe.ParseLeaveToken(k, u.Path[at+len("/u/"):])
	return ref, err == nil
}

// hint is the campaign of a Feedback-ID as we write them, 0 if it is none.
func (s Signs) hint() int64 {
	first, _, _ := strings.Cut(s.FeedbackID, ":")
	id, err := strconv.ParseInt(first, 10, 64)
	if err != nil || id < 0 {
		return 0
	}
	return id
}
