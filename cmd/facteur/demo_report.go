package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"facteur/web/client"
)

// errDemo is a run whose figures do not agree.
var errDemo = errors.New("the books and the sandbox do not agree")

// report tells what happened and what to do next. It fails when the books do
// not balance, or do not say what the sandbox has seen.
func (d *demo) report(ctx context.Context, s demoSetup, end client.Campaign, left []leaver) error {
	n, box := end.Counts, d.box.Count()
	fmt.Println("\nThe books")
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	for _, line := range []struct {
		n    int64
		what string
	}{
		{n.Recipients, "recipients: one for each person, and the sum of the lines below"},
		{n.Sent, "sent: taken by their provider"},
		{n.Failed, "failed: refused for good"},
		{n.Deferred, "deferred: put off, and tried again in some minutes"},
		{n.Skipped, "skipped: left before their mail had begun"},
		{n.Queued + n.Sending + n.Uncertain, "queued, being sent or in doubt"},
	} {
		say("  %7d\t%s", line.n, line.what)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Printf("\nThe sandbox took %d mails, %d of them twice.\n", box.Accepted, box.Duplicates)
	if err := d.refusals(ctx, end.ID); err != nil {
		return err
	}
	if err := d.whoLeft(ctx, s, left); err != nil {
		return err
	}
	d.next(end.ID, s.list)
	if !n.Balanced() || n.Sent != box.Distinct || box.Duplicates != 0 || n.Doubted != 0 {
		return errDemo
	}
	return nil
}

// refusals prints what providers said to those who did not get their mail.
func (d *demo) refusals(ctx context.Context, id string) error {
	said := map[string]int{}
	for _, status := range []string{"failed", "deferred"} {
		for cursor := ""; ; {
			var page struct {
				Items []struct {
					Reason, Enhanced, Answer string
					Code                     int
				}
				Next *string
			}
			if err := d.api.Call(ctx, http.MethodGet, "/campaigns/"+id+"/deliveries?limit=200&status="+status+"&cursor="+cursor, nil, &page); err != nil {
				return err
			}
			for _, item := range page.Items {
				said[fmt.Sprintf("%s\t%d %s %s", strings.ReplaceAll(item.Reason, "_", " "), item.Code, item.Enhanced, item.Answer)]++
			}
			if page.Next == nil {
				break
			}
			cursor = *page.Next
		}
	}
	if len(said) == 0 {
		return nil
	}
	fmt.Println("\nWhat was refused, and what that means")
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, line := range slices.Sorted(maps.Keys(said)) {
		_, _ = fmt.Fprintf(w, "  %7d\t%s\n", said[line], line)
	}
	return w.Flush()
}

// whoLeft prints the people who pressed Leave, and the list as it is now.
func (d *demo) whoLeft(ctx context.Context, s demoSetup, left []leaver) error {
	var list struct {
		Sizes struct{ Pending, Confirmed, Unsubscribed int64 }
	}
	if err := d.api.Call(ctx, http.MethodGet, "/lists/"+s.list, nil, &list); err != nil {
		return err
	}
	fmt.Printf("\nWho left, by one click in their mail program (RFC 8058): %d people\n", len(left))
	for i, l := range left {
		if i == 5 {
			fmt.Printf("  … and %d more\n", len(left)-i)
			break
		}
		fmt.Printf("  %s\n", l.email)
	}
	fmt.Printf("The list has %d people now, and %d who have left: no campaign reaches them any more.\n", list.Sizes.Confirmed, list.Sizes.Unsubscribed)
	if list.Sizes.Unsubscribed != int64(len(left)) {
		return fmt.Errorf("%w: %d pressed Leave, %d have left", errDemo, len(left), list.Sizes.Unsubscribed)
	}
	return nil
}

// next says where to look and what to try.
func (d *demo) next(id, list string) {
	leave := ""
	if all := d.box.Messages(); len(all) > 0 {
		raw := string(all[len(all)-1].Raw)
		if _, rest, ok := strings.Cut(raw, "\r\nList-Unsubscribe: <"); ok {
			leave, _, _ = strings.Cut(rest, ">")
		}
	}
	fmt.Println("\nLook at it")
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{
		{"the mails, as their readers see them", d.inbox},
		{"a reader's page for leaving", leave},
		{"the form to sign up (the mail goes to the inbox above)", d.api.Base + "/subscribe/" + list},
		{"every call, to try", d.api.Base + "/docs"},
		{"as OpenAPI", d.api.Base + "/openapi.json"},
		{"metrics", d.api.Base + "/metrics"},
	} {
		_, _ = fmt.Fprintf(w, "  %s\t%s\n", line[0], line[1])
	}
	_ = w.Flush() // standard output
	fmt.Printf("\nTry it\n  export TOKEN=%s API=%s/api/v1\n", d.api.Token, d.api.Base)
	fmt.Printf("  curl -H \"Authorization: Bearer $TOKEN\" $API/campaigns/%s\n", id)
	fmt.Printf("  curl -H \"Authorization: Bearer $TOKEN\" \"$API/campaigns/%s/deliveries?status=failed\"\n", id)
	fmt.Println("\nThen send your own: the README's quick start goes on from here.")
}
