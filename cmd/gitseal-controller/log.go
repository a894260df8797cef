package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/go-logr/logr"
)

// newLog returns a log of a format and a level. The lowest level is that of
// [slog.LevelDebug]: client-go shows bodies of requests, and so Secrets, four levels
// below, which therefore cannot be had.
func newLog(w io.Writer, format, level string) (logr.Logger, error) {
	var o slog.HandlerOptions
	switch level {
	case "debug":
		o.Level = slog.LevelDebug
	case "info":
		o.Level = slog.LevelInfo
	case "warn":
		o.Level = slog.LevelWarn
	case "error":
		o.Level = slog.LevelError
	default:
		return logr.Logger{}, usageError(fmt.Sprintf("--log-level %q is none", level), "use debug, info, warn or error")
	}
	switch format {
	case "json":
		return logr.FromSlogHandler(slog.NewJSONHandler(w, &o)), nil
	case "text":
		return logr.FromSlogHandler(slog.NewTextHandler(w, &o)), nil
	}
	return logr.Logger{}, usageError(fmt.Sprintf("--log-format %q is none", format), "use json or text")
}
