package api

import (
	"context"
	"fmt"

	"facteur/campaign/templates"
	"facteur/internal/database"
)

// TemplateLine is a starting template as a line of a list.
type TemplateLine struct {
	Name        string `json:"name" enum:"newsletter,announcement,offer,event,plain"`
	Locale      string `json:"locale" enum:"en,fr"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Subject     string `json:"subject"`
}

// Template is what a campaign may start from.
type Template struct {
	TemplateLine
	HTML string `json:"html" doc:"Liquid, as are subject and text: what a draft takes."`
	Text string `json:"text"`
}

func templateLineOf(t templates.Template) TemplateLine {
	return TemplateLine{Name: t.Name, Locale: t.Locale, Title: t.Title, Description: t.Description, Subject: t.Subject}
}

func (c *calls) templates(context.Context, *struct{}) (out struct {
	Templates []TemplateLine `json:"templates"`
}, err error,
) {
	for _, t := range templates.All() {
		out.Templates = append(out.Templates, templateLineOf(t))
	}
	return out, nil
}

func (c *calls) template(_ context.Context, in *struct {
	Name   string `path:"name" example:"newsletter"`
	Locale string `query:"locale" maxLength:"64" default:"en" example:"fr" doc:"Such as fr or fr-CA; in English, where the template does not speak it."`
},
) (Template, error) {
	t, ok := templates.Find(in.Name, in.Locale)
	if !ok {
		return Template{}, fmt.Errorf("template %q: %w", in.Name, database.ErrNotFound)
	}
	return Template{templateLineOf(t), t.HTML, t.Text}, nil
}
