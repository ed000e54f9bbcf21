package recipient

import (
	"errors"
	"mime"
	"net/http"
	"strconv"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/unsubscribe"
)

// file gives a hosted file, or a picture of a web version, until its end.
func (d *door) file(w http.ResponseWriter, r *http.Request) {
	id, err := unsubscribe.ParseFileToken(d.Keys, r.PathValue("token"))
	if err != nil {
		d.missing(w, r)
		return
	}
	f, err := d.Campaigns.File(r.Context(), id)
	if err == nil && f.ExpiresAt > 0 && f.ExpiresAt <= d.DB.Now().UnixMilli() {
		d.note(w, http.StatusGone, d.words.of(r, ""), "gone")
		return
	}
	var data []byte
	if err == nil {
		data, err = d.Campaigns.FileData(r.Context(), id)
	}
	switch {
	case errors.Is(err, database.ErrNotFound):
		d.missing(w, r)
		return
	case err != nil:
		d.fail(w, r, err)
		return
	}
	disposition := "attachment" // never a page of ours
	if f.Placed == campaign.Inline {
		disposition = "inline"
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Content-Type", f.MediaType)
	h.Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": f.Name}))
	h.Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data)
}
