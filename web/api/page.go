package api

// Paging is the query of every list.
type Paging struct {
	Limit  int `query:"limit" default:"50" minimum:"1" maximum:"500" doc:"How many at most."`
	Cursor ID  `query:"cursor" doc:"The next of the page before; none begins at the beginning."`
}

// Page is a part of a list. Next is the cursor of the next part, null at the end.
type Page[T any] struct {
	Items []T `json:"items"`
	Next  *ID `json:"next"`
}

// pageOf shows what a store found when asked for one more than the limit.
func pageOf[R, T any](p Paging, rows []R, id func(R) int64, show func(R) T) Page[T] {
	page := Page[T]{Items: make([]T, 0, min(len(rows), p.Limit))}
	for i, row := range rows {
		if i == p.Limit {
			next := idOf(id(rows[i-1]))
			page.Next = &next
			break
		}
		page.Items = append(page.Items, show(row))
	}
	return page
}

// after cuts a short list, ordered by id, that its store gives whole.
func after[R any](p Paging, rows []R, id func(R) int64) []R {
	for i, row := range rows {
		if id(row) > p.Cursor.int() {
			return rows[i:]
		}
	}
	return nil
}
