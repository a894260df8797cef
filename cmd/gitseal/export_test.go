package main

// Main is main for the tests, which run this program as a child process.
var Main = main
