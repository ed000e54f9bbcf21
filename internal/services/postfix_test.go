package services_test

import (
	"net"
	"net/smtp"
	"strconv"
	"strings"
	"testing"
	"time"

	"facteur/internal/services"
	"facteur/internal/services/servicestest"
)

func TestStartPostfix_DeliversToItsOwnMailboxes(t *testing.T) {
	p := servicestest.Postfix(t, services.PostfixOptions{Users: map[string]string{"ada": "secret"}, Ports: []map[string]string{{}, {"smtpd_sasl_auth_enable": "yes"}}})
	for i := range 2 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Port(i)))
		var auth smtp.Auth
		if i == 1 {
			auth = smtp.PlainAuth("", "ada", "secret", "127.0.0.1")
		}
		if err := smtp.SendMail(addr, auth, "from@example.com", []string{"lea@example.org"}, []byte("Subject: Hello\r\n\r\nHello\r\n")); err != nil {
			t.Fatalf("port %d: %v\n%s", i, err, p.Log())
		}
	}
	for p.Arrived() < 2 {
		time.Sleep(20 * time.Millisecond)
	}
	mails, err := p.Mailbox("lea@example.org")
	if err != nil || len(mails) != 2 || !strings.Contains(mails[0], "Subject: Hello") {
		t.Errorf("%q, %v", mails, err)
	}
	err = smtp.SendMail(net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Port(0))), nil, "from@example.com", []string{"unknown@example.org"}, []byte("x\r\n"))
	if err == nil || !strings.HasPrefix(strings.ReplaceAll(err.Error(), `"`, ""), "550 5.1.1") {
		t.Errorf("an unknown address: %v", err)
	}
}
