//go:build !unix

package toolcache

import "context"

// lock does nothing here: two processes may then both build, and the renaming of
// the result still keeps each from seeing half a tool.
func lock(context.Context, string) (func(), error) { return func() {}, nil }
