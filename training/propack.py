"""Files packed by Rob Northen's ProPack, method 1, as games of the nineties hold them.

Source: the format as ScummVM's engine "sky" reads it; a stream of little-endian words of bits, in
which runs of plain bytes lie, and matches with what was unpacked before.
"""

from __future__ import annotations

HEADER = 18  # bytes: mark, sizes, checksums, leeway, number of blocks
MARK = b"RNC\x01"
SHORTEST = 2  # bytes of a match

Code = tuple[int, int, int, int]  # mask, bits, their count, value


def unpack(packed: bytes) -> bytes:
    """What was packed.

    Raises:
        ValueError: It is not packed this way, or cut off.
    """
    if packed[:4] != MARK:
        raise ValueError("These bytes are not packed by ProPack with method 1.")
    size = int.from_bytes(packed[4:8], "big")
    stream = _Bits(packed, HEADER)
    out = bytearray()
    stream.take(2)
    for _ in range(packed[HEADER - 1]):
        plain, offsets, lengths = stream.codes(), stream.codes(), stream.codes()
        for left in range(stream.take(16), 0, -1):
            out += stream.plain(stream.value(plain))
            if left > 1:
                start = len(out) - 1 - stream.value(offsets)
                count = SHORTEST + stream.value(lengths)
                match = bytes(out[start : start + count])
                out += (match * (count // max(len(match), 1) + 1))[:count]  # may reach into itself
    if len(out) != size:
        raise ValueError(f"{len(out)} bytes were unpacked where {size} were announced.")
    return bytes(out)


class _Bits:
    """Bits of words, lowest first; a word is fetched when it is needed."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data, self._position = data, position
        self._held = self._count = 0

    def take(self, count: int) -> int:
        """The next bits, at most 16."""
        if self._count < count:
            self._held |= self._next_word() << self._count
            self._count += 16
            self._position += 2
        taken = self._held & ((1 << count) - 1)
        self._held >>= count
        self._count -= count
        return taken

    def plain(self, count: int) -> bytes:
        """The next bytes, which lie after the word that is being read."""
        first = self._position
        self._position += count
        return self._data[first : self._position]

    def codes(self) -> list[Code]:
        """A Huffman table: how many bits stand for each value, 16 at most."""
        sizes = [self.take(4) for _ in range(self.take(5))]
        out, code = [], 0
        for size in range(1, 17):
            for value, own in enumerate(sizes):
                if own == size:
                    bits = int(f"{code >> (16 - size):0{size}b}"[::-1], 2)
                    out.append(((1 << size) - 1, bits, size, value))
                    code += 1 << (16 - size)
        return out

    def value(self, codes: list[Code]) -> int:
        """The next value; from 2 on a code gives how many bits follow its leading one."""
        ahead = self._held | self._next_word() << self._count
        for mask, bits, size, value in codes:
            if ahead & mask == bits:
                self.take(size)
                return value if value < 2 else 1 << (value - 1) | self.take(value - 1)
        raise ValueError("These bytes are no codes of ProPack.")

    def _next_word(self) -> int:
        return int.from_bytes(self._data[self._position : self._position + 2], "little")
