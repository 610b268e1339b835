// Command audit-go verifies a log that src/audit wrote with the code of Go's checksum database.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const tileHeight = 8

type folder string

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: audit-go <folder>")
		os.Exit(2)
	}
	if err := verify(folder(os.Args[1])); err != nil {
		fmt.Fprintln(os.Stderr, "audit-go:", err)
		os.Exit(1)
	}
}

func verify(log folder) error {
	key, err := note.NewVerifier(string(log.read("vkey")))
	if err != nil {
		return err
	}
	tree, err := openTree(log.read("checkpoint"), key)
	if err != nil {
		return err
	}
	earlier, err := openTree(log.read("checkpoint.earlier"), key)
	if err != nil {
		return err
	}
	fmt.Printf("checkpoints signed by %s: %d and %d entries\n", key.Name(), earlier.N, tree.N)

	hashes := tlog.TileHashReader(tree, log)
	proof, err := tlog.ProveTree(tree.N, earlier.N, hashes)
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, earlier.N, earlier.Hash); err != nil {
		return err
	}
	fmt.Printf("consistency: %d hashes\n", len(proof))

	for index := int64(0); index < tree.N; index += 1 + tree.N/2000 {
		if err := checkEntry(log, tree, hashes, index); err != nil {
			return fmt.Errorf("entry %d: %w", index, err)
		}
	}
	fmt.Println("inclusion: every entry that was asked for")
	return checkReceipt(string(log.read("last.tlog-proof")), key, tree)
}

func openTree(text []byte, key note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(text, note.VerifierList(key))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	hash, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: hash}, err
}

func checkEntry(log folder, tree tlog.Tree, hashes tlog.HashReader, index int64) error {
	entry, err := log.entry(index, tree.N)
	if err != nil {
		return err
	}
	if !bytes.Contains(entry, fmt.Appendf(nil, `"group":"grp_%d"`, index)) {
		return fmt.Errorf("got another entry: %s", entry)
	}
	proof, err := tlog.ProveRecord(tree.N, index, hashes)
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
		return err
	}
	forged := append(bytes.Clone(entry), ' ')
	if tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(forged)) == nil {
		return fmt.Errorf("a forged entry was accepted")
	}
	return nil
}

func checkReceipt(text string, key note.Verifier, tree tlog.Tree) error {
	head, checkpoint, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	entry, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil {
		return err
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	signed, err := openTree([]byte(checkpoint), key)
	if err != nil || signed != tree {
		return fmt.Errorf("the receipt is over another checkpoint: %w", err)
	}
	if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
		return err
	}
	fmt.Printf("receipt of entry %d: %d hashes\n", index, len(proof))
	return nil
}

func (f folder) read(path string) []byte {
	data, err := os.ReadFile(filepath.Join(string(f), path))
	if err != nil {
		panic(err)
	}
	return data
}

// entry takes one entry out of its bundle.
func (f folder) entry(index, size int64) ([]byte, error) {
	width := min(256, size-index/256*256)
	tile := tlog.Tile{H: tileHeight, L: 0, N: index / 256, W: int(width)}
	path := strings.Replace(f.path(tile), "tile/0/", "tile/entries/", 1)
	bundle := f.read(path)
	for at := index % 256; ; at-- {
		length := int(binary.BigEndian.Uint16(bundle))
		if at == 0 {
			return bundle[2 : 2+length], nil
		}
		bundle = bundle[2+length:]
	}
}

// path is the tile's path without the height, which tlog-tiles fixes at 8.
func (f folder) path(tile tlog.Tile) string {
	return strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
}

func (f folder) Height() int { return tileHeight }

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var read [][]byte
	for _, tile := range tiles {
		data, err := os.ReadFile(filepath.Join(string(f), f.path(tile)))
		if err != nil {
			return nil, err
		}
		read = append(read, data)
	}
	return read, nil
}

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}
