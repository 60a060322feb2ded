// verify-cosignature opens a signed note with golang.org/x/mod/sumdb/note, which shares no code with rejoin, as a cosignature/v1 by one witness.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go build -o verify-cosignature verify-cosignature.go
//	verify-cosignature VKEY NOTE-FILE      VKEY is the witness's C2SP verifier key, of type 0x04
package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.hash }
func (w witness) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(signature), text)
	return ed25519.Verify(w.key, []byte(message), signature[8:])
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "not verified:", err)
		os.Exit(1)
	}
}

func main() {
	parts := strings.SplitN(os.Args[1], "+", 3)
	hash, err := strconv.ParseUint(parts[1], 16, 32)
	check(err)
	key, err := base64.StdEncoding.DecodeString(parts[2])
	check(err)
	if len(key) != 33 || key[0] != 4 {
		check(fmt.Errorf("the key is not of type 4"))
	}
	file, err := os.ReadFile(os.Args[2])
	check(err)
	opened, err := note.Open(file, note.VerifierList(witness{parts[0], uint32(hash), key[1:]}))
	check(err)
	signature, err := base64.StdEncoding.DecodeString(opened.Sigs[0].Base64)
	check(err)
	size := strings.Split(opened.Text, "\n")[1]
	fmt.Printf("verified: size %s at %d, %d other lines\n", size, binary.BigEndian.Uint64(signature[4:]), len(opened.UnverifiedSigs))
}
