"""numpy replica of include/advprop/core/random.hpp: same seed, stream and position give the same bits."""

import numpy as np

_U64 = np.uint64
_LOW = _U64(0xFFFFFFFF)


def philox(c0, c1, c2, c3, k0, k1):
    """Philox4x32-10 on arrays of counters (uint64 arrays that hold 32-bit words); returns the four output words."""
    c0, c1, c2, c3 = (np.asarray(c, _U64) for c in np.broadcast_arrays(c0, c1, c2, c3))
    k0, k1 = int(k0), int(k1)
    for _ in range(10):
        a, b = _U64(0xD2511F53) * c0, _U64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (b >> _U64(32)) ^ c1 ^ _U64(k0), b & _LOW, (a >> _U64(32)) ^ c3 ^ _U64(k1), a & _LOW
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


def fnv1a_bytes(content):
    """64-bit FNV-1a."""
    value = 0xCBF29CE484222325
    for byte in content:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def fnv1a(text):
    """64-bit FNV-1a of the UTF-8 bytes: the tag that a tensor's name gives to split()."""
    return fnv1a_bytes(text.encode())


class random_stream:
    """A stream of random numbers, addressed by (seed, stream, position). Methods named as in C++; counts are vectorised."""

    def __init__(self, seed=0, stream=0, position=0):
        self.seed, self.stream, self.position = int(seed), int(stream), int(position)

    def split(self, tag):
        lo, hi = (lambda v: v & 0xFFFFFFFF), (lambda v: v >> 32)
        b = philox(lo(tag), hi(tag), lo(self.stream), hi(self.stream), lo(self.seed) ^ 0x5EED5EED, hi(self.seed))
        return random_stream(self.seed, (int(b[0]) << 32) | int(b[1]))

    def named(self, name):
        """split(fnv1a(name))"""
        return self.split(fnv1a(name))

    def bits(self, count, first=0):
        """The words at positions first .. first+count-1, as uint32; leaves the position alone."""
        begin, end = first // 4, (first + count + 3) // 4
        block = np.arange(begin, end, dtype=_U64)
        words = philox(block & _LOW, block >> _U64(32), self.stream & 0xFFFFFFFF, self.stream >> 32,
                       self.seed & 0xFFFFFFFF, self.seed >> 32)
        flat = np.stack(words, -1).reshape(-1).astype(np.uint32)
        return flat[first - 4 * begin:][:count]

    def next(self, count):
        words = self.bits(count, self.position)
        self.position += count
        return words

    def uniform(self, count, low=0.0, high=1.0):
        u = (self.next(count) >> np.uint32(8)).astype(np.float32) * np.float32(2.0 ** -24)
        low, high = np.float32(low), np.float32(high)
        return u if (low, high) == (0, 1) else low + (high - low) * u

    def below(self, count, limit):
        return ((self.next(count).astype(_U64) * _U64(limit)) >> _U64(32)).astype(np.int64)

    def normal(self, count):
        words = self.next(2 * count).astype(np.float64)
        u, v = (words[0::2] + 1.0) * 2.0 ** -32, words[1::2] * 2.0 ** -32
        return (np.sqrt(-2.0 * np.log(u)) * np.cos(6.283185307179586 * v)).astype(np.float32)


if __name__ == "__main__":
    # The lines that a C++ program prints for the same calls: for comparing by diff.
    for seed, tag in ((0, 0), (1, 7), (2026, fnv1a("conv1.weight")), (2 ** 40 + 3, 2 ** 63 + 5)):
        r = random_stream(seed).split(tag)
        print(seed, tag, r.stream)
        print(*r.bits(9, 2 ** 34 + 1), *random_stream(seed, r.stream, 3).next(6))
        print(*(f"{v:.9g}" for v in r.uniform(5)), *(f"{v:.9g}" for v in r.uniform(5, -1, 1)), *r.below(7, 10))
        print(*(f"{v:.6g}" for v in r.normal(5)))
