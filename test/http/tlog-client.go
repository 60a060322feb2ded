// tlog-client reads a C2SP tlog-tiles log over HTTP with golang.org/x/mod/sumdb, which shares no code with rejoin: it verifies the checkpoint, all
// tiles up to its root, and every entry of every bundle against its leaf.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go build -o tlog-client tlog-client.go
//	tlog-client VKEY PREFIX
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "not verified:", err)
		os.Exit(1)
	}
}

func get(url string) ([]byte, error) {
	answer, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != 200 {
		return nil, fmt.Errorf("%s: %s", url, answer.Status)
	}
	return io.ReadAll(answer.Body)
}

type reader struct {
	prefix string
	saved  map[string][]byte
}

func (r *reader) Height() int { return 8 }

// only what was verified is saved
func (r *reader) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	for i, tile := range tiles {
		r.saved[tile.Path()] = data[i]
	}
}

// sumdb's path has the height in front: tile/8/0/001
func (r *reader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		if data := r.saved[tile.Path()]; data != nil {
			all = append(all, data)
			continue
		}
		data, err := get(r.prefix + "/" + strings.Replace(tile.Path(), "tile/8/", "tile/", 1))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func main() {
	verifier, err := note.NewVerifier(os.Args[1])
	check(err)
	prefix := strings.TrimSuffix(os.Args[2], "/")
	signed, err := get(prefix + "/checkpoint")
	check(err)
	checkpoint, err := note.Open(signed, note.VerifierList(verifier))
	check(err)
	lines := strings.Split(checkpoint.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := tlog.ParseHash(lines[2])
	check(err)
	tiles := &reader{prefix: prefix, saved: map[string][]byte{}}
	hashes := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, tiles)
	for first := int64(0); first < size; first += 256 {
		width := size - first
		suffix := ""
		if width < 256 {
			suffix = fmt.Sprintf(".p/%d", width)
		} else {
			width = 256
		}
		bundle, err := get(fmt.Sprintf("%s/tile/entries/%03d%s", prefix, first/256, suffix))
		check(err)
		for index := first; index < first+width; index++ {
			length := int(binary.BigEndian.Uint16(bundle))
			entry := bundle[2 : 2+length]
			bundle = bundle[2+length:]
			leaf, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
			check(err)
			if leaf[0] != tlog.RecordHash(entry) {
				check(fmt.Errorf("entry %d has another hash than its leaf", index))
			}
		}
		if len(bundle) != 0 {
			check(fmt.Errorf("%d bytes too many in the bundle at %d", len(bundle), first))
		}
	}
	fmt.Printf("%d entries\n", size)
}
