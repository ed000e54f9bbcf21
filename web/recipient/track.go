package recipient

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/unsubscribe"
)

// pixel is a transparent GIF of one point.
var pixel, _ = base64.StdEncoding.DecodeString("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")

// track leads on to where a link of a watched mail goes. It goes nowhere else:
// the address is the campaign's, never the caller's.
func (d *door) track(w http.ResponseWriter, r *http.Request) {
	ref, err := unsubscribe.ParseTrackToken(d.Keys, r.PathValue("token"))
	link, wrong := strconv.Atoi(r.PathValue("link"))
	if err != nil || wrong != nil {
		d.missing(w, r)
		return
	}
	if r.Method == http.MethodHead { // a scanner, not a reader
		w.WriteHeader(http.StatusNoContent)
		return
	}
	to, err := d.Campaigns.Follow(r.Context(), ref.CampaignID, ref.SubscriberID, link)
	switch {
	case errors.Is(err, database.ErrNotFound):
		d.missing(w, r)
	case err != nil && to == "":
		d.fail(w, r, err)
	case link == campaign.Opened:
		w.Header().Set("Content-Type", "image/gif")
		w.Header().Set("Content-Length", strconv.Itoa(len(pixel)))
		_, _ = w.Write(pixel)
	default: // even if it could not be noted
		http.Redirect(w, r, to, http.StatusFound)
	}
}
