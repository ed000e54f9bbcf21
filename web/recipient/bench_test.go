package recipient_test

import (
	"net/http"
	"strings"
	"testing"

	"facteur/internal/database/databasetest"
)

// BenchmarkOneClick is whole calls over loopback, each durable before its
// answer: the same no again and again, so what is measured is the door.
func BenchmarkOneClick(b *testing.B) {
	d := newDoor(b, databasetest.New(b))
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		client := &http.Client{Transport: &http.Transport{}}
		for pb.Next() {
			res, err := client.Post(d.url+"/u/"+d.token, "application/x-www-form-urlencoded", strings.NewReader("List-Unsubscribe=One-Click"))
			if err != nil {
				b.Error(err)
				return
			}
			_ = res.Body.Close()
		}
	})
}
