//go:build !unix

package main

func harden() {}
