package campaign

import (
	"strings"
	"testing"
)

func TestSuddenJump_AgainstTheBusiestDay(t *testing.T) {
	for _, c := range []struct {
		recipients, most int64
		want             string
	}{
		{500, 0, ""},
		{1000, 0, "has sent nothing"},
		{1000, 300, ""},
		{5000, 1000, ""},
		{100_000, 1000, "is 1000, on 2 January"},
		{2000, 1500, ""},
	} {
		f := suddenJump("news.example.com", c.recipients, 1, c.most)
		if (f == nil) != (c.want == "") || f != nil && (!strings.Contains(f.Message, c.want) || !strings.Contains(f.Fix, "PUT /warmups/news.example.com")) {
			t.Errorf("%d after %d: %+v, want %q", c.recipients, c.most, f, c.want)
		}
	}
}
