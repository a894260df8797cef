package cipher_test

import (
	"context"
	"fmt"
	"log"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// sealedConfig is a file as it would stand next to a program.
const sealedConfig = `database:
    user: app
    password: ENC[AES256_GCM,data:PaJp22xPkQ==,iv:3wE/NH9KIoJ4vGtDNKTSYVE1u0O3PA+UkuxwtT4biQs=,tag:tN6bhSBMP1WINUKl09oF8w==,type:str] # rotate yearly
sops:
    age:
        - enc: |
            -----BEGIN AGE ENCRYPTED FILE-----
            YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSAvY3hZZDFNWmhnNmZEUjRR
            SFRuQVM2U1FXQ3JKaVFkbFlQWGlKaG1oRkFnCmtNUjVBVFlLZDBTNnZXdFBmdTNo
            VTc5RlpwOUwzVXBTcktTc1Bhck80RFEKLS0tIEVteHpPeFRHQnNEYThxUXgyb2lI
            MDhEVGNJVENxdTVJV0JDbmlmR0twM0EKb5GAlZd6HVXQce+ToYVI0dXsX0Ya8DTO
            XX6v5mYO+qGvXzCBJbmvW9b1iHdH+aldWchTGFv1LWfXdUr8fVuXgg==
            -----END AGE ENCRYPTED FILE-----
          recipient: age1egrcukrsg4j6s8w8nkemavpedv9edr7396z4lgjgxn8vpk23gvfslzxqaw
    encrypted_regex: ^password$
    lastmodified: "2026-01-02T03:04:05Z"
    mac: ENC[AES256_GCM,data:zvLSXbT9kuCo1i8/TW2jCAOsSkzxZ/IieSPgKe4IbID3reCHHOxIQrtRRMQ5nj0lH8DEUiWY6pfAtHJbquyUSMA13tO3SIs2q4a+AjpZ3AVU6ko5hrgdVQzrqy+DIgh10KfLAFr1bDTUt7+aca4r6qm7R2SWKcr/hgt2woV4bxU=,iv:jGjhkNPEUxG0iKkk+I6n9lkaEeJMwOgrCsZu285weO8=,tag:IQrSHYJTXqkQHuEY0HXmlw==,type:str]
    seal:
        comments: lGs4yNFs4l490Lr/gfadV7cYAnH9i8zeqhqtfD+wYI8=
        mac: FSjwo2PGPOW5D95rNGcmLcUZVf3FDRe4v323SfDfPjU=
        v: 1
    version: 3.13.3
`

// A program opens its sealed configuration when it starts, with the identities
// that the environment names, and takes only files that nobody changed.
func ExampleOpen() {
	// Usually this is os.Getenv.
	env := func(key string) string {
		return map[string]string{"SOPS_AGE_KEY": aliceKey}[key]
	}
	opened, err := cipher.Open(context.Background(), all.ForFile("config.yaml"), []byte(sealedConfig), cipher.OpenOptions{
		Identities:  []keysources.Identity{age.NewKeyring(env)},
		RequireSeal: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(opened) // prints no secrets
	fmt.Printf("%s", opened.PlaintextBytes())
	// Output:
	// <opened file>
	// database:
	//     user: app
	//     password: hunter2 # rotate yearly
}

// A program seals a file for a reader, who alone can open it, and checks the
// result before it relies on it.
func ExampleSeal() {
	recipient, err := age.ParseRecipient("age1egrcukrsg4j6s8w8nkemavpedv9edr7396z4lgjgxn8vpk23gvfslzxqaw")
	if err != nil {
		log.Fatal(err)
	}
	format, _ := all.ByName("yaml")
	onlyPasswords, err := cipher.NewSelector(cipher.EncryptedRegex, "password$")
	if err != nil {
		log.Fatal(err)
	}
	plain := []byte("user: alice\npassword: hunter2 # change me\n")
	sealed, err := cipher.Seal(context.Background(), format, plain, cipher.SealOptions{
		Recipients: []keysources.Recipient{recipient},
		Selector:   onlyPasswords,
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := sealed.Check(sealed.Bytes); err != nil {
		log.Fatal(err)
	}
	fmt.Println("sealed:", sealed.Values, "left plain:", sealed.Plain)
	// Output: sealed: 1 left plain: 1
}
