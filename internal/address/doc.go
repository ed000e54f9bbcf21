// Package address holds e-mail addresses and the questions put to DNS about them.
//
// An [Address] has three faces, and each has one use:
//
//	String  as the person gave it, trimmed          what pages and exports show
//	Wire    local part as given, domain as A-label  RCPT TO and header fields
//	Key     folded                                  uniqueness, suppression, limits
//
// The key is the only thing by which two addresses are compared: the local part
// in NFC and case-folded, "@", the domain as lower-case A-labels. Dots and +tags
// are kept, since what they mean is the receiving domain's business (RFC 5321
// section 2.3.11). A quoted local part that needs no quotes has the key of its
// unquoted form.
//
// [Parse] takes what RFC 5321 section 4.1.2 calls a Mailbox, with the UTF-8 of
// RFC 6531. It is narrower where a mass mailing has no use for the rest: no
// address literals, no host names of one label, no comments, no display names.
// It also refuses characters that nobody can see or that Unicode has not assigned
// yet: keys made of assigned characters never change with a newer Unicode.
//
// [Resolver] is the door for every DNS question of the process.
package address
