// Package provider reads the webhooks of sending providers: what they say of a
// mail becomes a [Notice], whose signs are looked at like those of a mail that
// came back. SES (through SNS), SendGrid and Mailgun sign what they send;
// Postmark, Brevo and Mailjet do not, so that only the secret in the address
// protects their door.
//
// The readers follow the vendors' documentation and its samples; none was tried
// with a live account.
package provider
