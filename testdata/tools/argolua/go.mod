module github.com/gitseal/gitseal/testdata/tools/argolua

go 1.26.0

tool github.com/gitseal/gitseal/testdata/tools/argolua

require (
	github.com/yuin/gopher-lua v1.1.2
	layeh.com/gopher-json v0.0.0-20190114024228-97fed8db8427
)
