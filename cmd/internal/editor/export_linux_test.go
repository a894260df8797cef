package editor

// PlainSwapIn is PlainSwap for a given system.
var PlainSwapIn = plainSwapIn
