package campaign

import "testing"

func TestMay_AllPairsOfStates(t *testing.T) {
	all := []DeliveryStatus{Queued, Begun, Accepted, Deferred, Failed, Skipped, Uncertain}
	want := map[DeliveryStatus]string{
		Queued:    "sending deferred failed skipped sent",
		Begun:     "sent deferred failed uncertain",
		Accepted:  "",
		Deferred:  "queued skipped failed sent",
		Failed:    "queued sent",
		Skipped:   "sent",
		Uncertain: "queued sent deferred failed",
	}
	for _, from := range all {
		for _, to := range all {
			words := " " + want[from] + " "
			allowed := to != "" && containsWord(words, string(to))
			if May(from, to) != allowed {
				t.Errorf("%s → %s: %v, want %v", from, to, May(from, to), allowed)
			}
		}
	}
}

func containsWord(words, w string) bool {
	for i := 0; i+len(w)+2 <= len(words); i++ {
		if words[i:i+len(w)+2] == " "+w+" " {
			return true
		}
	}
	return false
}
