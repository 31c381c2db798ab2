"""Limits a copy of ONNX Runtime to AVX2, for comparison with the engine's variant avx2.

The library enables AVX-512 if the processor has it and the operating system saves its registers, which XGETBV tells.
After each XGETBV the upper half of the result is cleared with `mov eax, eax`. XGETBV has already done so, and the
two bytes become `and al, 7`, which clears the bits of the AVX-512 registers.
"""

import pathlib
import sys

BEFORE = bytes.fromhex("0f01d089c048c1e2204809c248f7d0")
AFTER = bytes.fromhex("0f01d0240748c1e2204809c248f7d0")


def main() -> None:
    path = pathlib.Path(sys.argv[1])
    library = path.read_bytes()
    count = library.count(BEFORE)
    if count == 0:
        sys.exit(f"{path}: expected instructions that read XCR0 as in ONNX Runtime 1.31 for Linux x64, found none; "
                 "this version needs another pattern, or the file is limited already")
    path.chmod(0o755)
    path.write_bytes(library.replace(BEFORE, AFTER))
    print(f"{path}: limited in {count} places")


if __name__ == "__main__":
    main()
