package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"facteur/internal/rig"
)

// reporter is who sends delivery reports, in a process of its own.
const reporter = "reporter"

// returned is a line of the table of reports.
type returned struct {
	pace
	Bad        int64 `json:"not_250"`
	Suppressed int64 `json:"suppressed"` // by the listener, in the end
}

// reports mails people, and lets a delivery report about each come back to the
// listener by SMTP: half of them while nothing else happens, half while another
// campaign is sent. Each is answered when its consequence is durable.
func reports(ctx context.Context, o options, binary, dir string) ([]returned, error) {
	box, err := startSandbox(ctx, binary, "0s+0s", 2*o.reports+10)
	if err != nil {
		return nil, err
	}
	defer box.stop()
	port, err := rig.FreePort()
	if err != nil {
		return nil, err
	}
	inbound := "127.0.0.1:" + strconv.Itoa(port)
	p, err := rig.New(binary, dir+"/reports", []string{"FACTEUR_LOG_LEVEL=error", "FACTEUR_INBOUND_ADDR=" + inbound, "FACTEUR_INBOUND_RATE=0"}, "")
	if err != nil {
		return nil, err
	}
	if err := p.Start(ctx); err != nil {
		return nil, err
	}
	defer func() { _ = p.Kill() }()
	api := p.API()
	setup, err := box.setUp(ctx, api, o.connections)
	if err != nil {
		return nil, err
	}
	files, err := box.links(ctx, api, setup, 2*o.reports, dir)
	if err != nil {
		return nil, err
	}
	var domains struct {
		Items []struct {
			Address string `json:"complaints_address"`
		} `json:"items"`
	}
	if err := api.Call(ctx, http.MethodGet, "/domains", nil, &domains); err != nil {
		return nil, err
	}
	to := inbound + "," + domains.Items[0].Address + ","
	var idle, busy returned
	if err := asProcess(ctx, reporter, to+files[0], clickers/2, &idle); err != nil {
		return nil, err
	}
	said, err := whileSending(ctx, api, setup, 20*o.reports, func() error { return asProcess(ctx, reporter, to+files[1], clickers/2, &busy) })
	if err != nil {
		return nil, err
	}
	idle.While, busy.While = "idle", said
	var rates struct {
		All struct{ Hard int64 }
	}
	if err := api.Call(ctx, http.MethodGet, "/complaints/rates", nil, &rates); err != nil {
		return nil, err
	}
	idle.Suppressed, busy.Suppressed = int64(o.reports), rates.All.Hard-int64(o.reports)
	fmt.Println("\n| delivery reports by SMTP, SQLite | reports | a second | p50 ms | p99 ms | not 250 | suppressed |\n|---|---|---|---|---|---|---|")
	for _, l := range []returned{idle, busy} {
		fmt.Printf("| %s | %d | %.0f | %.1f | %.1f | %d | %d |\n", l.While, l.N, l.Rate, l.P50, l.P99, l.Bad, l.Suppressed)
	}
	if rates.All.Hard != int64(2*o.reports) {
		return nil, fmt.Errorf("%d reports were sent, %d counted", 2*o.reports, rates.All.Hard)
	}
	return []returned{idle, busy}, nil
}

// reportEach sends a report about the mail of every link of a file, once, over some
// connections, and prints how that went. to is the listener, the recipient and
// the file, with commas between them.
func reportEach(ctx context.Context, to string, at int) error {
	parts := strings.SplitN(to, ",", 3)
	text, err := os.ReadFile(parts[2])
	if err != nil {
		return err
	}
	links := strings.Fields(string(text))
	p, bad, err := measure(len(links), at, func(each func(func(int) (bool, error)) error) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", parts[0])
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		in := bufio.NewReader(conn)
		for _, line := range []string{"", "HELO mx.test\r\n"} {
			if _, err := says(conn, in, line); err != nil {
				return err
			}
		}
		return each(func(i int) (bool, error) {
			last := ""
			for _, line := range []string{"MAIL FROM:<>\r\n", "RCPT TO:<" + parts[1] + ">\r\n", "DATA\r\n", deliveryReport(links[i])} {
				if last, err = says(conn, in, line); err != nil {
					return false, err
				}
			}
			return strings.HasPrefix(last, "250"), nil
		})
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(returned{pace: p, Bad: bad})
}

// says writes a command and reads its one-line answer.
func says(conn net.Conn, in *bufio.Reader, line string) (string, error) {
	if line != "" {
		if _, err := io.WriteString(conn, line); err != nil {
			return "", err
		}
	}
	return in.ReadString('\n')
}

func deliveryReport(link string) string {
	return "From: MAILER-DAEMON@mx.test\r\nSubject: Undelivered Mail Returned to Sender\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nIt could not be delivered.\r\n" +
		"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.test\r\n\r\nFinal-Recipient: rfc822; somebody@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 user unknown\r\n\r\n" +
		"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nList-Unsubscribe: <" + link + ">\r\n\r\n--b--\r\n.\r\n"
}
