package api

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs
var docs embed.FS

// docsPolicy lets the page speak to us and to nobody else, whatever is in its script.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// document serves the OpenAPI document and the page to try the calls.
func (c *calls) document(door *http.ServeMux, api huma.API) {
	known := api.OpenAPI().Components.Schemas.Map()
	delete(known, "ErrorModel") // huma's own; ours is Problem
	delete(known, "ErrorDetail")
	nameTags(api.OpenAPI(), c.table())
	spec, err := json.Marshal(api.OpenAPI())
	if err != nil {
		panic("the OpenAPI document cannot be written: " + err.Error()) // a type in this package is wrong
	}
	door.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(spec)
	})
	files, err := fs.Sub(docs, "docs")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	page := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("Content-Security-Policy", docsPolicy)
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("Cache-Control", "no-cache")
			http.ServeFileFS(w, r, files, name)
		}
	}
	door.HandleFunc("GET /docs", page("docs.html"))
	for _, name := range []string{"theme.js", "rapidoc-min.js"} {
		door.HandleFunc("GET /docs/"+name, page(name))
	}
}

// nameTags puts the subjects into the order of the table of contents.
func nameTags(doc *huma.OpenAPI, table []route) {
	var names []string
	for _, r := range table {
		if s := r.subject(); !slices.Contains(names, s) {
			names = append(names, s)
			doc.Tags = append(doc.Tags, &huma.Tag{Name: s})
		}
	}
}
