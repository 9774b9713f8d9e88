#!/usr/bin/env python3
"""Jane Austen's six novels -> documents -> vocabulary, for the tiny demonstration model.

Reads the lazy-load database of the R package janeaustenr (no R needed), cleans the text to ASCII,
cuts it into documents of one to some paragraphs, and learns a byte-pair vocabulary.

    corpus.py --from FOLDER --out FOLDER

FOLDER/Rdata.rdx and Rdata.rdb come from the Debian package r-cran-janeaustenr. Written to --out:
train.txt and held.txt (a document a line) and vocab.tsv (id, type, score, token as hex).
The output depends on the input alone: the shuffle has a fixed seed.
"""
import argparse
import bz2
import collections
import heapq
import lzma
import os
import random
import re
import struct
import sys
import unicodedata
import zlib

VOCAB_COUNT = 2048
SEED = 1811  # the year of "Sense and Sensibility"
HELD_SHARE = 0.02
CHARS_PER_TOKEN = 3.7  # only for the length of documents
DOC_TOKENS_MIN, DOC_TOKENS_MAX = 50, 200
SPACE = "\u2581"  # how SentencePiece writes a space


class Reader:
    """R's serialisation (XDR), as far as strings, numbers, lists and attributes go."""

    NIL, GLOBAL, REF = 254, 253, 255

    def __init__(self, data):
        self.data, self.at, self.refs = data, 0, []
        if self.take(2) != b"X\n":
            raise ValueError("expected R's XDR serialisation (\"X\\n\")")
        version = self.int()
        self.take(8)
        if version == 3:
            self.take(self.int())

    def take(self, n):
        part = self.data[self.at : self.at + n]
        if len(part) != n:
            raise ValueError(f"R data ends at byte {len(self.data)}, expected {n} more")
        self.at += n
        return part

    def int(self):
        return struct.unpack(">i", self.take(4))[0]

    def value(self):
        flags = self.int()
        kind, has_attr, has_tag = flags & 255, flags & 512, flags & 1024
        if kind in (self.NIL, self.GLOBAL):
            return None
        if kind == self.REF:
            return self.refs[(flags >> 8) - 1]
        if kind == 1:  # symbol
            self.refs.append(self.value())
            return self.refs[-1]
        if kind == 2:  # pairlist
            if has_attr:
                self.value()
            tag = self.value() if has_tag else None
            head = self.value()
            return [(tag, head)] + (self.value() or [])
        if kind == 9:  # one string
            n = self.int()
            return None if n < 0 else self.take(n).decode("utf-8")
        n = self.int()
        if kind in (10, 13):
            got = list(struct.unpack(f">{n}i", self.take(4 * n)))
        elif kind == 14:
            got = list(struct.unpack(f">{n}d", self.take(8 * n)))
        elif kind in (16, 19):
            got = [self.value() for _ in range(n)]
        else:
            raise ValueError(f"R type {kind} at byte {self.at} is not one this reader knows")
        if has_attr:
            names = dict(self.value()).get("names")
            if kind == 19 and names:
                got = dict(zip(names, got))
        return got


def unpack(blob):
    """One entry of an .rdb file: 4 bytes length, then zlib, or a letter for the method."""
    kind = blob[4:5]
    if kind == b"2":
        return bz2.decompress(blob[5:])
    if kind == b"Z":
        raw = lzma.LZMADecompressor(
            lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
        )
        return raw.decompress(blob[5:])
    return blob[5:] if kind == b"0" else zlib.decompress(blob[4:])


def books(folder):
    with open(os.path.join(folder, "Rdata.rdx"), "rb") as f:
        index = Reader(zlib.decompress(f.read(), 47)).value()["variables"]
    with open(os.path.join(folder, "Rdata.rdb"), "rb") as f:
        data = f.read()
    for name in sorted(index):
        offset, size = index[name]
        lines = Reader(unpack(data[offset : offset + size])).value()
        yield name, [line or "" for line in lines]


PLAIN = {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2014": "--", "\u2013": "-",
         "\u2026": "...", "\u00a3": "", "\u00e6": "ae", "\u0153": "oe"}
HEADING = re.compile(r"^(chapter|volume|vol\.|the end|finis|contents|by jane austen|end of )", re.I)


def clean(text):
    text = "".join(PLAIN.get(c, c) for c in text)
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    text = re.sub(r"\[[^\]]*\]", "", text).replace("_", "").replace("*", "")
    text = re.sub(r"-{2,}", "--", text)
    return re.sub(r"\s+", " ", text).strip()


def paragraphs(lines):
    """Runs of lines between empty ones, without headings and the like."""
    part = []
    for line in lines + [""]:
        if line.strip():
            part.append(line)
            continue
        text = clean(" ".join(part))
        part = []
        if len(text) > 1 and not HEADING.match(text) and re.search(r"[a-z]{2}", text):
            yield text


def documents(name, lines, rng):
    """Whole paragraphs up to a drawn length; a paragraph that is too long is cut at sentences."""
    text, goal = "", 0
    for paragraph in paragraphs(lines):
        sentences = re.split(r'(?<=[.!?]) (?=[A-Z"])', paragraph)
        if len(paragraph) <= DOC_TOKENS_MAX * CHARS_PER_TOKEN:
            sentences = [paragraph]
        for sentence in sentences:
            goal = goal or rng.randint(DOC_TOKENS_MIN, DOC_TOKENS_MAX) * CHARS_PER_TOKEN
            if text and len(text) + len(sentence) > DOC_TOKENS_MAX * CHARS_PER_TOKEN:
                yield text
                text = ""
            text = f"{text} {sentence}".strip()
            if len(text) >= goal:
                yield text
                text, goal = "", 0
    if text:
        yield text


UNIT = re.compile(r" ?[A-Za-z]+|'s\b| ?[^A-Za-z ]+| ")


def learn_merges(texts, count):
    """Byte-pair merges on unit counts; ties go to the pair that sorts first."""
    counts = collections.Counter()
    for text in texts:
        counts.update(u.replace(" ", SPACE) for u in UNIT.findall(" " + text))
    units = [(list(u), n) for u, n in sorted(counts.items())]
    pairs, where = collections.Counter(), collections.defaultdict(set)
    for i, (parts, n) in enumerate(units):
        for pair in zip(parts, parts[1:]):
            pairs[pair] += n
            where[pair].add(i)
    heap = [(-n, pair) for pair, n in pairs.items()]
    heapq.heapify(heap)
    merges, seen = [], set()
    while len(merges) < count and heap:
        n, pair = heapq.heappop(heap)
        if -n != pairs[pair] or pairs[pair] <= 0:
            continue
        token = "".join(pair)
        if token not in seen:
            seen.add(token)
            merges.append(token)
        for i in sorted(where.pop(pair)):
            parts, n = units[i]
            for old in zip(parts, parts[1:]):
                pairs[old] -= n
            joined, j = [], 0
            while j < len(parts):
                both = parts[j : j + 2] == list(pair)
                joined.append(token if both else parts[j])
                j += 2 if both else 1
            units[i] = (joined, n)
            for new in zip(joined, joined[1:]):
                pairs[new] += n
                where[new].add(i)
            for touched in set(zip(parts, parts[1:])) | set(zip(joined, joined[1:])):
                heapq.heappush(heap, (-pairs[touched], touched))
    return merges


def write_vocab(path, merges):
    rows = [("<unk>", 2, 0.0), ("<s>", 3, 0.0), ("</s>", 3, 0.0)]
    rows += [(f"<0x{b:02X}>", 6, 0.0) for b in range(256)]
    rows += [(token, 1, -float(rank)) for rank, token in enumerate(merges)]
    chars = [SPACE] + [chr(c) for c in range(0x21, 0x7F)]
    rows += [(c, 1, -float(len(merges) + i)) for i, c in enumerate(chars)]
    if len(rows) != VOCAB_COUNT or len({r[0] for r in rows}) != VOCAB_COUNT:
        raise ValueError(f"expected {VOCAB_COUNT} different tokens, found {len(rows)}")
    with open(path, "w", encoding="ascii") as f:
        for i, (token, kind, score) in enumerate(rows):
            f.write(f"{i}\t{kind}\t{score:.1f}\t{token.encode('utf-8').hex()}\n")


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    ap.add_argument("--from", dest="source", required=True)
    ap.add_argument("--out", required=True)
    args = ap.parse_args()
    rng = random.Random(SEED)
    docs = []
    for name, lines in books(args.source):
        own = list(documents(name, lines, rng))
        print(f"{name}: {len(own)} documents, {sum(map(len, own))} characters")
        docs += own
    rng.shuffle(docs)
    held_count = int(len(docs) * HELD_SHARE)
    held, train = docs[:held_count], docs[held_count:]
    merges = learn_merges(train, VOCAB_COUNT - 3 - 256 - 95)
    os.makedirs(args.out, exist_ok=True)
    for name, part in (("train", train), ("held", held)):
        with open(os.path.join(args.out, name + ".txt"), "w", encoding="ascii") as f:
            f.write("\n".join(part) + "\n")
    write_vocab(os.path.join(args.out, "vocab.tsv"), merges)
    print(f"{len(train)} documents to train on, {len(held)} held out, {len(merges)} merges")
    return 0


if __name__ == "__main__":
    sys.exit(main())
