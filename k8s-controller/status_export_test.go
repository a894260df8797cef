package controller

// Stored is a status as the API server has it after it was written.
var Stored = stored
