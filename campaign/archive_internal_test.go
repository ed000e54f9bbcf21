package campaign

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// What is archived can be read again, whatever it was.
func TestPacked_IsReadAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var page []archived
		last := int64(0)
		for range rapid.IntRange(0, 50).Draw(t, "people") {
			last += rapid.Int64Range(1, 1<<55).Draw(t, "step")
			page = append(page, archived{
				person: last,
				status: rapid.SampledFrom(archiveStatus[:]).Draw(t, "status"),
				begun:  rapid.Bool().Draw(t, "begun"), doubted: rapid.Bool().Draw(t, "doubted"),
				lists: rapid.Int64Range(0, 1<<(maxLists-1)).Draw(t, "lists"),
			})
		}
		got, err := unpacked(packed(page))
		if err != nil || !slices.Equal(got, page) {
			t.Fatalf("%v, want %v; %v", got, page, err)
		}
		for n := range len(packed(page)) { // nothing panics
			_, _ = unpacked(packed(page)[:n])
		}
	})
}
