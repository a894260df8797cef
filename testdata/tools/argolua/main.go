// Command argolua runs a health check of Argo CD as Argo CD does: in the same Lua
// interpreter, with the same libraries, and with no more time. It reads an object as
// JSON, and writes what the script returns.
//
//	argolua health.lua < object.json > health.json
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	lua "github.com/yuin/gopher-lua"
	luajson "layeh.com/gopher-json"
)

// timeLimit is what Argo CD gives to a script.
const timeLimit = time.Second

func main() {
	log.SetFlags(0)
	log.SetPrefix("argolua: ")
	if len(os.Args) != 2 {
		log.Fatal("usage: argolua SCRIPT < OBJECT")
	}
	out, err := run(os.Args[1], os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := os.Stdout.Write(out); err != nil {
		log.Fatal(err)
	}
}

func run(script string, object io.Reader) ([]byte, error) {
	text, err := os.ReadFile(script)
	if err != nil {
		return nil, err
	}
	var obj any
	if err := json.NewDecoder(object).Decode(&obj); err != nil {
		return nil, fmt.Errorf("reading the object: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeLimit)
	defer cancel()
	l := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer l.Close()
	// Neither string nor math is there, and os only in part, which is left out here.
	for _, lib := range []struct {
		name string
		open lua.LGFunction
	}{{lua.LoadLibName, lua.OpenPackage}, {lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable}} {
		if err := l.CallByParam(lua.P{Fn: l.NewFunction(lib.open), Protect: true}, lua.LString(lib.name)); err != nil {
			return nil, err
		}
	}
	l.SetContext(ctx)
	l.SetGlobal("obj", luajson.DecodeValue(l, obj))
	if err := l.DoString(string(text)); err != nil {
		return nil, err
	}
	result := l.Get(-1)
	if result.Type() != lua.LTTable {
		return nil, fmt.Errorf("the script returns a %s, and no table", result.Type())
	}
	return luajson.Encode(result)
}
