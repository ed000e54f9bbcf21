// Package api is the operators' door: the calls under /api/v1, the OpenAPI
// document that describes them, and a page to try them.
//
// routes.go is the table of contents. The Go types of a route's input and
// answer are its documentation. A call passes, in this order:
//
//	who is it?       guard.go        401, 429
//	is there such a  guard.go        404, 405
//	may they?        guard.go        403
//	body in bounds?  guard.go        413
//	is it well made? huma            422, problem.go
//	seen before?     idempotency.go  the kept answer, 422
//	the handler      one verb of a lower package, its errors mapped by errors.go
//
// A call that changes something runs in one transaction with the answer kept
// for its Idempotency-Key (idempotency.go says which two do not, and why).
package api
