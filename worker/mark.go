package worker

import "strings"

// marks are the header fields in which providers hand our signed id back with
// their webhooks: those that write a Message-ID of their own. Package
// feedback/provider reads them.
var marks = [...]struct{ host, field string }{
	{"postmarkapp.com", "X-PM-Metadata-facteur"}, // https://postmarkapp.com/support/article/1125-custom-metadata-faq
	{"mailjet.com", "X-MJ-CustomID"},             // https://dev.mailjet.com/smtp-relay/custom-headers/
	{"brevo.com", "X-Mailin-custom"},             // https://developers.brevo.com/docs/smtp-integration
	{"sendinblue.com", "X-Mailin-custom"},
}

// markFor is the field for a relay, "" if it needs none.
func markFor(host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, m := range marks {
		if host == m.host || strings.HasSuffix(host, "."+m.host) {
			return m.field
		}
	}
	return ""
}
