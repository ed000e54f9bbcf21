package api

import (
	"context"
	"time"

	"facteur/access"
	"facteur/internal/database"
)

// NewToken is a token to be made.
type NewToken struct {
	Name   string   `json:"name" maxLength:"200" pattern:"^[^\\x00-\\x1f]*$" doc:"What it is for."`
	Scopes []string `json:"scopes" maxItems:"50" doc:"lists:read, campaigns:write …; * is every scope. Only what the maker has can be given."`
}

// Token is what is known of a token.
type Token struct {
	ID        ID         `json:"id"`
	Name      string     `json:"name"`
	Scopes    []string   `json:"scopes"`
	CreatedAt *time.Time `json:"created_at"`
	RevokedAt *time.Time `json:"revoked_at"`
}

// MadeToken is a token with its secret.
type MadeToken struct {
	Token
	Secret string `json:"token" doc:"Shown now and never again."`
}

func tokenOf(t access.Token) Token {
	return Token{ID: idOf(t.ID), Name: t.Name, Scopes: t.Scopes, CreatedAt: at(t.CreatedAt), RevokedAt: at(t.RevokedAt)}
}

func (c *calls) createToken(ctx context.Context, tx *database.Tx, in *struct{ Body NewToken }) (MadeToken, error) {
	t, secret, err := c.Access.CreateToken(ctx, tx, askedBy(ctx).actor, in.Body.Name, in.Body.Scopes)
	return MadeToken{tokenOf(t), secret}, err
}

func (c *calls) tokens(ctx context.Context, in *Paging) (Page[Token], error) {
	all, err := c.Access.Tokens(ctx, in.Cursor.int(), in.Limit+1)
	return pageOf(*in, all, func(t access.Token) int64 { return t.ID }, tokenOf), err
}

func (c *calls) revokeToken(ctx context.Context, in *ByID) (Token, error) {
	if err := c.DB.Write(ctx, func(tx *database.Tx) error { return c.Access.RevokeToken(ctx, tx, in.id()) }); err != nil {
		return Token{}, err
	}
	t, err := c.Access.Token(ctx, in.id())
	return tokenOf(t), err
}
