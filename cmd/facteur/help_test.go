package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"facteur/web/client"

	"github.com/alecthomas/kong"
)

func TestHelp_OfEachCommandShowsAnExample(t *testing.T) {
	parser, err := kong.New(&commands{}, kong.Configuration(settingsFile))
	if err != nil {
		t.Fatal(err)
	}
	leaves := parser.Model.Leaves(false)
	if len(leaves) < 8 {
		t.Fatalf("%d commands", len(leaves))
	}
	for _, leaf := range leaves {
		_, example, ok := strings.Cut(leaf.Detail, "Example:\n  ")
		if !ok {
			t.Errorf("facteur %s --help shows no example", leaf.Path())
			continue
		}
		line, _, _ := strings.Cut(example, "\n")
		_, line, _ = strings.Cut(line, "facteur ")
		if strings.HasSuffix(line, " serve") || strings.HasSuffix(line, " demo") || strings.HasPrefix(line, "import") {
			continue // has quotes, or settings in front
		}
		if _, err := parser.Parse(strings.Fields(line)); err != nil {
			t.Errorf("the example of facteur %s is not understood: %v", leaf.Path(), err)
		}
	}
}

func TestStatus_TellsTheRateAndTheTimeLeft(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	campaign := func(sent, queued int64) []client.RunningCampaign {
		return []client.RunningCampaign{{Campaign: client.Campaign{ID: "7", Name: "May", Status: "sending", Planned: true, Counts: client.Counts{Recipients: 1000, Sent: sent, Queued: queued}}}}
	}
	earlier := client.Status{At: at, Campaigns: campaign(100, 900)}
	now := client.Status{
		Version: "v1", At: at.Add(2 * time.Second), StartedAt: at.Add(-25 * time.Hour), NotReady: "the disk is full", Campaigns: campaign(110, 890),
		Relays: []client.RelayStatus{{Name: "out", State: "stopped", StateReason: "refuses us"}},
	}
	now.Since(earlier)
	var b bytes.Buffer
	if err := describe(&b, "http://here", now); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"up 25h00m", "NOT READY: the disk is full", "110 of 1000 sent, 5/s, 2m58s left, queued 890", "NO SCHEDULER LEADS", "STOPPED"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in:\n%s", want, b.String())
		}
	}
}

func TestImport_ThatFailedIsAnError(t *testing.T) {
	var b bytes.Buffer
	failed := client.Import{ID: "7", Status: "failed", Error: "the uploaded file is gone", Rows: 3, Refused: 60}
	if err := conclude(&b, failed); err == nil || !strings.Contains(err.Error(), "the uploaded file is gone") || !strings.Contains(b.String(), "and 60 more") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestReachable_IsWhereAListenerAnswers(t *testing.T) {
	for listening, want := range map[string]string{
		"127.0.0.1:8080": "127.0.0.1:8080", ":8080": "127.0.0.1:8080", "0.0.0.0:80": "127.0.0.1:80", "[::]:80": "[::1]:80", "mail.example.com:80": "mail.example.com:80",
	} {
		if got := reachable(listening); got != want {
			t.Errorf("%s: %s, want %s", listening, got, want)
		}
	}
}
