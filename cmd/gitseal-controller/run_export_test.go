package main

// Main is the program, for a process that is the test binary started again.
func Main() { main() }

// ParseLimit reads memory.max.
func ParseLimit(text string) (int64, bool) { return parseLimit(text) }
