package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"facteur/internal/rig"
)

// reporter is who sends delivery reports, in a process of its own.
const reporter = "reporter"

// returned is a line of the table of reports.
type returned struct {
	While      string  `json:"while"`
	N          int     `json:"n"`
	Rate       float64 `json:"per_s"`
	P50        float64 `json:"p50_ms"`
	P99        float64 `json:"p99_ms"`
	Bad        int64   `json:"not_250"`
	Suppressed int64   `json:"suppressed"` // by the listener, in the end
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
	to := inbound + "," + domains.Items[0].Address
	idle, err := reportAll(ctx, files[0], to)
	if err != nil {
		return nil, err
	}
	idle.While = "idle"
	other := setup
	if other.List, err = api.List(ctx, "Others"); err != nil {
		return nil, err
	}
	people := 20 * o.reports
	if _, err := api.ImportCSV(ctx, other.List, rig.CSV(people)); err != nil {
		return nil, err
	}
	campaign, err := api.Launch(ctx, other, letter(), letterText)
	if err != nil {
		return nil, err
	}
	time.Sleep(2 * time.Second) // it is under way
	busy, err := reportAll(ctx, files[1], to)
	if err != nil {
		return nil, err
	}
	now, err := api.Campaign(ctx, campaign)
	if err != nil {
		return nil, err
	}
	busy.While = fmt.Sprintf("while a campaign is sent (%s, %d of %d sent)", now.Status, now.Counts.Sent, people)
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

// reportAll runs this program as who reports.
func reportAll(ctx context.Context, file, to string) (l returned, err error) {
	self, err := os.Executable()
	if err != nil {
		return l, err
	}
	cmd := exec.CommandContext(ctx, self, "-be", reporter, "-to", to+","+file, "-connections", strconv.Itoa(clickers/2))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return l, err
	}
	return l, json.Unmarshal(out, &l)
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
	took := make([]time.Duration, len(links))
	var next, bad atomic.Int64
	var wg sync.WaitGroup
	failures := make([]error, at)
	begin := time.Now()
	for k := range at {
		wg.Go(func() {
			failures[k] = func() error {
				conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", parts[0])
				if err != nil {
					return err
				}
				defer func() { _ = conn.Close() }()
				in := bufio.NewReader(conn)
				if _, err := says(conn, in, ""); err != nil {
					return err
				}
				if _, err := says(conn, in, "HELO mx.test\r\n"); err != nil {
					return err
				}
				for i := next.Add(1) - 1; i < int64(len(links)); i = next.Add(1) - 1 {
					asked := time.Now()
					last := ""
					for _, line := range []string{"MAIL FROM:<>\r\n", "RCPT TO:<" + parts[1] + ">\r\n", "DATA\r\n", deliveryReport(links[i])} {
						if last, err = says(conn, in, line); err != nil {
							return err
						}
					}
					if !strings.HasPrefix(last, "250") {
						bad.Add(1)
					}
					took[i] = time.Since(asked)
				}
				return nil
			}()
		})
	}
	wg.Wait()
	if err := errors.Join(failures...); err != nil {
		return err
	}
	all := time.Since(begin)
	slices.Sort(took)
	ms := func(part float64) float64 { return float64(took[int(part*float64(len(took)-1))].Microseconds()) / 1000 }
	return json.NewEncoder(os.Stdout).Encode(returned{N: len(links), Rate: float64(len(links)) / all.Seconds(), P50: ms(0.5), P99: ms(0.99), Bad: bad.Load()})
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
