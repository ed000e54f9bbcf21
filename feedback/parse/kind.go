package parse

import "strings"

// kind tells what the mail is. A report for machines is believed first.
func (m *returned) kind() Kind {
	_, params, _ := m.header.ContentType()
	report := strings.ToLower(params["report-type"])
	subject := strings.ToLower(m.subject())
	switch {
	case m.feedback != nil, report == "feedback-report":
		return Complaint
	case len(m.status) > 0:
		return Bounce
	case m.automatic(subject) && !m.fromDaemon() && !saysFailed(subject):
		return AutoReply
	case m.fromDaemon(), report == "delivery-status", saysFailed(subject), m.header.Get("X-Failed-Recipients") != "":
		return Bounce
	}
	return None
}

func (m *returned) subject() string {
	s, err := m.header.Text("Subject")
	if err != nil {
		return m.header.Get("Subject")
	}
	return s
}

// fromDaemon: such mails have a sender of their own (RFC 3464 section 2).
func (m *returned) fromDaemon() bool {
	from := strings.ToLower(m.header.Get("From"))
	for _, name := range []string{"mailer-daemon", "postmaster", "post_master", "mail delivery", "maildelivery", "mailerdaemon", "mailer daemon", "mail administrator", "mail system", "root@", "bounce@", "mdaemon@", "notification@", "mail-daemon"} {
		if strings.Contains(from, name) {
			return true
		}
	}
	return strings.TrimSpace(m.header.Get("Return-Path")) == "<>"
}

// saysFailed looks for the usual subjects.
func saysFailed(subject string) bool {
	for _, words := range []string{
		"undeliver", "non recapitabile", "failure notice", "returned mail", "delivery status notification", "delivery failure", "delivery failed", "mail delivery", "mail failure", "delivery notification",
		"delivery report", "delayed mail", "delivery status", "unzustellbar", "nicht zugestellt", "non remis", "échec de la remise", "notification d'état de remise", "no se puede entregar", "devuelto", "mail system error",
		"returned to sender", "could not be delivered", "not delivered", "failed delivery", "failure delivery", "недоставленное", "onbestelbaar",
	} {
		if strings.Contains(subject, words) {
			return true
		}
	}
	return false
}

// automatic: RFC 3834, and what programs did before it.
func (m *returned) automatic(subject string) bool {
	auto := strings.ToLower(m.header.Get("Auto-Submitted"))
	switch {
	case strings.HasPrefix(auto, "auto-replied"), strings.HasPrefix(auto, "auto-notified"):
		return true
	case m.header.Get("X-Autoreply") != "", m.header.Get("X-Autorespond") != "", m.header.Get("X-Auto-Response-Suppress") != "" && auto != "":
		return true
	case strings.EqualFold(m.header.Get("Precedence"), "auto_reply"), strings.EqualFold(m.header.Get("X-Apple-Action"), "vacation"):
		return true
	}
	for _, words := range []string{
		"out of office", "out of the office", "auto reply", "autoreply", "auto-reply", "automatic reply", "automatische antwort", "abwesenheit", "réponse automatique", "absence du bureau", "absent du bureau", "away from",
		"away until", "on vacation", "vacation", "respuesta automática", "risposta automatica", "fuori sede", "en congé",
	} {
		if strings.HasPrefix(subject, words) || strings.HasPrefix(subject, "re: "+words) || strings.Contains(subject, words) && strings.HasPrefix(subject, "auto") {
			return true
		}
	}
	return false
}
