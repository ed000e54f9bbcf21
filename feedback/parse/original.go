package parse

import (
	"net/mail"
	"strings"
)

// signs are what is left of the original's header.
func (m *returned) signs() Original {
	var o Original
	if m.original != nil {
		o.MessageID = bare(m.original.Get("Message-Id"))
		o.FeedbackID = strings.TrimSpace(m.original.Get("Feedback-Id"))
		o.MailFrom = addressIn(m.original.Get("Return-Path"))
		for _, way := range strings.Split(m.original.Get("List-Unsubscribe"), ",") {
			if way = strings.Trim(way, " \t\r\n<>"); way != "" && len(o.Leave) < 10 {
				o.Leave = append(o.Leave, way)
			}
		}
	}
	if m.feedback != nil {
		if from := addressIn(m.feedback.Get("Original-Mail-From")); from != "" {
			o.MailFrom = from
		}
	}
	if o.MessageID == "" { // an automatic answer names it so (RFC 3834 section 3.1.5)
		o.MessageID = bare(m.header.Get("In-Reply-To"))
	}
	return o
}

// to are the addresses that the mail itself is for, as far as its header says.
func (m *returned) to() (all []string) {
	for _, name := range []string{"Delivered-To", "X-Original-To", "Envelope-To", "To", "Cc"} {
		for _, value := range m.header.Values(name) {
			list, err := mail.ParseAddressList(value)
			if err != nil {
				if a := addressIn(value); a != "" {
					all = append(all, a)
				}
				continue
			}
			for _, a := range list {
				all = append(all, a.Address)
			}
		}
	}
	return all[:min(len(all), 20)]
}

// bare is a message id without its brackets.
func bare(id string) string {
	return strings.Trim(strings.TrimSpace(id), "<>")
}
