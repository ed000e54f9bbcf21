package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"facteur/internal/rig"
)

// clicker is who clicks, in a process of its own.
const clicker = "clicker"

// leave is a line of the table of one-click leaves.
type leave struct {
	pace
	Bad  int64 `json:"not_200"`
	Left int64 `json:"left"` // people who have left in the end
}

// clickers is how many click at once.
const clickers = 64

// clicks mails people and lets them leave by the links that they got: half of
// them while nothing else happens, half while another campaign is sent. Each
// answer comes when the leaving is durable.
func clicks(ctx context.Context, o options, binary, dir string) ([]leave, error) {
	box, err := startSandbox(ctx, binary, "0s+0s", 2*o.clicks)
	if err != nil {
		return nil, err
	}
	defer box.stop()
	p, err := rig.New(binary, dir+"/clicks", []string{"FACTEUR_LOG_LEVEL=warn"}, "")
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
	links, err := box.links(ctx, api, setup, 2*o.clicks, dir)
	if err != nil {
		return nil, err
	}
	var idle, busy leave
	if err := asProcess(ctx, clicker, links[0], clickers, &idle); err != nil {
		return nil, err
	}
	said, err := whileSending(ctx, api, setup, 20*o.clicks, func() error { return asProcess(ctx, clicker, links[1], clickers, &busy) })
	if err != nil {
		return nil, err
	}
	idle.While, busy.While = "idle", said
	var list struct {
		Sizes struct {
			Unsubscribed int64 `json:"unsubscribed"`
		} `json:"sizes"`
	}
	if err := api.Call(ctx, http.MethodGet, "/lists/"+setup.List, nil, &list); err != nil {
		return nil, err
	}
	idle.Left, busy.Left = int64(o.clicks), list.Sizes.Unsubscribed-int64(o.clicks)
	fmt.Println("\n| one-click leaves, SQLite | people | a second | p50 ms | p99 ms | not 200 | have left |\n|---|---|---|---|---|---|---|")
	for _, l := range []leave{idle, busy} {
		fmt.Printf("| %s | %d | %.0f | %.1f | %.1f | %d | %d |\n", l.While, l.N, l.Rate, l.P50, l.P99, l.Bad, l.Left)
	}
	if list.Sizes.Unsubscribed != int64(2*o.clicks) {
		return nil, fmt.Errorf("%d clicked, %d have left", 2*o.clicks, list.Sizes.Unsubscribed)
	}
	return []leave{idle, busy}, nil
}

// links mails n people and writes the links to leave that they got into two files.
func (b *box) links(ctx context.Context, api *rig.API, setup rig.Setup, n int, dir string) ([2]string, error) {
	files := [2]string{dir + "/links0", dir + "/links1"}
	if _, err := api.ImportCSV(ctx, setup.List, rig.CSV(n)); err != nil {
		return files, err
	}
	id, err := api.Launch(ctx, setup, letter(), letterText)
	if err != nil {
		return files, err
	}
	if _, err := b.awaitAll(ctx, api, id, int64(n), time.Now()); err != nil {
		return files, err
	}
	var found [2]strings.Builder
	for i, have := 1, 0; have < n; i++ {
		text, err := fetch(ctx, b.control+"/messages/"+strconv.Itoa(i))
		if err != nil {
			return files, err
		}
		_, rest, _ := strings.Cut(text, "\r\nList-Unsubscribe: <")
		link, _, ok := strings.Cut(rest, ">")
		if !ok && i > n+10 { // a few letters may be among them
			return files, fmt.Errorf("%d of %d messages have a link to leave", have, n)
		}
		if ok {
			found[i%2].WriteString(link + "\n")
			have++
		}
	}
	for i, file := range files {
		if err := os.WriteFile(file, []byte(found[i].String()), 0o600); err != nil {
			return files, err
		}
	}
	return files, nil
}

func fetch(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return string(text), err
}

// click leaves by every link of a file, once, and prints how that went.
func click(ctx context.Context, file string, at int) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	var links []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		links = append(links, lines.Text())
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: at}, Timeout: time.Minute}
	p, bad, err := measure(len(links), at, func(each func(func(int) (bool, error)) error) error {
		return each(func(i int) (bool, error) { return leaveBy(ctx, client, links[i]), nil })
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(leave{pace: p, Bad: bad})
}

func leaveBy(ctx context.Context, client *http.Client, link string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, link, strings.NewReader("List-Unsubscribe=One-Click"))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, res.Body)
	return res.Body.Close() == nil && res.StatusCode == http.StatusOK
}
