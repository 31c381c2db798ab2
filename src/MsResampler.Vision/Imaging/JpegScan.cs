using System.Buffers.Binary;

namespace MsResampler.Vision;

/// <summary>Parses the Huffman-coded blocks of a sequential JPEG file (ITU-T T.81, annex F.2), to check that all blocks
/// are present. The blocks are not decoded.</summary>
internal sealed class JpegScan
{
    private const int BlockSide = 8;
    private const int BlockSize = 64;
    private const int MaxCodeLength = 16;
    private const int ZeroRun = 15;

    private readonly HuffmanTable?[] _tables = new HuffmanTable?[8];
    private Component[] _components = [];
    private int _width;
    private int _height;
    private int _restartInterval;

    /// <summary>The number of components in the frame.</summary>
    public int ComponentCount => _components.Length;

    /// <summary>Whether the scans of all components have been parsed completely.</summary>
    public bool IsWhole => _components.Length > 0 && _components.All(component => component.IsWalked);

    /// <summary>Whether the image ended before the last block of the last parsed scan.</summary>
    public bool EndsEarly { get; private set; }

    /// <summary>The number of samples of all components, in whole blocks.</summary>
    public long SampleCount => _components.Sum(component =>
    {
        (int columns, int rows) = BlockCounts(component);
        return (long)columns * rows * BlockSize;
    });

    /// <summary>Reads a frame header. Returns false if it is damaged.</summary>
    public bool ReadFrame(ReadOnlySpan<byte> segment)
    {
        if (segment.Length < 6 || segment[5] is < 1 or > 4 || segment.Length < 6 + (3 * segment[5]))
            return false;
        _height = BinaryPrimitives.ReadUInt16BigEndian(segment[1..]);
        _width = BinaryPrimitives.ReadUInt16BigEndian(segment[3..]);
        _components = new Component[segment[5]];
        for (int index = 0; index < _components.Length; index++)
        {
            ReadOnlySpan<byte> fields = segment.Slice(6 + (3 * index), 3);
            _components[index] = new Component(fields[0], fields[1] >> 4, fields[1] & 15);
        }

        return _height > 0 && _width > 0 && _components.All(component =>
            component.Horizontal is >= 1 and <= 4 && component.Vertical is >= 1 and <= 4);
    }

    /// <summary>Reads Huffman tables. Returns false if they are damaged.</summary>
    public bool ReadTables(ReadOnlySpan<byte> segment)
    {
        while (!segment.IsEmpty)
        {
            if (segment.Length < 1 + MaxCodeLength || (segment[0] & 0xEC) != 0)
                return false;
            int slot = (segment[0] >> 4 << 2) + (segment[0] & 3);
            ReadOnlySpan<byte> counts = segment.Slice(1, MaxCodeLength);
            int symbolCount = 0;
            foreach (byte count in counts)
                symbolCount += count;
            segment = segment[(1 + MaxCodeLength)..];
            if (segment.Length < symbolCount)
                return false;
            _tables[slot] = new HuffmanTable(counts.ToArray(), segment[..symbolCount].ToArray());
            segment = segment[symbolCount..];
        }

        return true;
    }

    /// <summary>Reads the number of units between restart markers. Returns false if it is damaged.</summary>
    public bool ReadRestartInterval(ReadOnlySpan<byte> segment)
    {
        if (segment.Length < 2)
            return false;
        _restartInterval = BinaryPrimitives.ReadUInt16BigEndian(segment);
        return true;
    }

    /// <summary>Parses a scan. Returns false if it ends early or is damaged.</summary>
    /// <param name="header">The header of the scan.</param>
    /// <param name="jpeg">The file.</param>
    /// <param name="position">The position of the coded data; moved to its end if the scan is complete.</param>
    public bool Walk(ReadOnlySpan<byte> header, ReadOnlySpan<byte> jpeg, ref int position)
    {
        if (header.IsEmpty || header[0] is < 1 or > 4 || header.Length < 4 + (2 * header[0]))
            return false;
        List<(Component Component, HuffmanTable Direct, HuffmanTable Alternating, int BlockCount)> unit = [];
        for (int index = 0; index < header[0]; index++)
        {
            int id = header[1 + (2 * index)];
            int selectors = header[2 + (2 * index)];
            Component? component = Array.Find(_components, candidate => candidate.Id == id);
            if (component is null || _tables[(selectors >> 4) & 3] is not { } direct
                || _tables[4 + (selectors & 3)] is not { } alternating)
                return false;
            unit.Add((component, direct, alternating, header[0] == 1 ? 1 : component.Horizontal * component.Vertical));
        }

        BitReader bits = new(jpeg, position);
        long unitCount = CountUnits(unit[0].Component, isAlone: header[0] == 1);
        for (long index = 0; index < unitCount; index++)
        {
            if ((_restartInterval == 0 || index == 0 || index % _restartInterval != 0 || bits.Restart())
                && WalkUnit(ref bits, unit))
                continue;
            EndsEarly = bits.IsAtEnd;
            return false;
        }

        unit.ForEach(entry => entry.Component.IsWalked = true);
        position = bits.Position;
        return true;
    }

    private static bool WalkUnit(ref BitReader bits,
        List<(Component Component, HuffmanTable Direct, HuffmanTable Alternating, int BlockCount)> unit)
    {
        foreach ((_, HuffmanTable direct, HuffmanTable alternating, int blockCount) in unit)
        {
            for (int block = 0; block < blockCount; block++)
            {
                if (!WalkBlock(ref bits, direct, alternating))
                    return false;
            }
        }

        return true;
    }

    private static bool WalkBlock(ref BitReader bits, HuffmanTable direct, HuffmanTable alternating)
    {
        if (!direct.TryRead(ref bits, out int category) || !bits.Skip(category))
            return false;
        for (int coefficient = 1; coefficient < BlockSize; coefficient++)
        {
            if (!alternating.TryRead(ref bits, out int symbol) || !bits.Skip(symbol & 15))
                return false;
            // Size 0 with a run shorter than 15 is the end of the block.
            if ((symbol & 15) == 0 && symbol >> 4 != ZeroRun)
                return true;
            coefficient += symbol >> 4;
        }

        return true;
    }

    private long CountUnits(Component first, bool isAlone)
    {
        if (isAlone)
        {
            (int columns, int rows) = BlockCounts(first);
            return (long)columns * rows;
        }

        return (long)Divide(_width, BlockSide * MaxHorizontal) * Divide(_height, BlockSide * MaxVertical);
    }

    private (int Columns, int Rows) BlockCounts(Component component) => (
        Divide(Divide(_width * component.Horizontal, MaxHorizontal), BlockSide),
        Divide(Divide(_height * component.Vertical, MaxVertical), BlockSide));

    private int MaxHorizontal => _components.Max(component => component.Horizontal);

    private int MaxVertical => _components.Max(component => component.Vertical);

    private static int Divide(int value, int divisor) => (value + divisor - 1) / divisor;

    private sealed record Component(int Id, int Horizontal, int Vertical)
    {
        public bool IsWalked { get; set; }
    }

    /// <summary>A Huffman code (ITU-T T.81, annex C).</summary>
    private sealed class HuffmanTable
    {
        // Longer codewords are rare.
        private const int LookupBits = 10;

        private readonly byte[] _counts;
        private readonly byte[] _symbols;

        // For each value of the next bits the length of its codeword, or 0 if it is longer, and above it the symbol.
        private readonly ushort[] _lookup = new ushort[1 << LookupBits];

        /// <param name="counts">The number of codewords of each length.</param>
        /// <param name="symbols">The symbols in order.</param>
        public HuffmanTable(byte[] counts, byte[] symbols)
        {
            (_counts, _symbols) = (counts, symbols);
            int code = 0, index = 0;
            for (int length = 1; length <= LookupBits; length++)
            {
                for (int number = 0; number < counts[length - 1]; number++, code++, index++)
                {
                    // A damaged table can have more codewords than there are values.
                    if (code >> length == 0)
                        _lookup.AsSpan(code << (LookupBits - length), 1 << (LookupBits - length))
                            .Fill((ushort)((symbols[index] << 8) | length));
                }

                code <<= 1;
            }
        }

        public bool TryRead(ref BitReader bits, out int symbol)
        {
            int entry = _lookup[bits.Peek(LookupBits)];
            symbol = entry >> 8;
            return (byte)entry != 0 ? bits.Skip((byte)entry) : TryReadLong(ref bits, out symbol);
        }

        private bool TryReadLong(ref BitReader bits, out int symbol)
        {
            int next = bits.Peek(MaxCodeLength);
            int first = 0, index = 0;
            for (int length = 1; length <= MaxCodeLength; length++)
            {
                int code = next >> (MaxCodeLength - length);
                if (code - first < _counts[length - 1])
                {
                    symbol = _symbols[index + code - first];
                    return bits.Skip(length);
                }

                index += _counts[length - 1];
                first = (first + _counts[length - 1]) << 1;
            }

            symbol = 0;
            bits.SkipAtMost(MaxCodeLength);
            return false;
        }
    }

    /// <summary>Reads bits of coded data. In coded data a zero byte follows every 0xFF.</summary>
    private ref struct BitReader(ReadOnlySpan<byte> bytes, int position)
    {
        private const int BufferBits = 64;

        private readonly ReadOnlySpan<byte> _bytes = bytes;

        // The next bits, from the highest on. Bits after the first _bitCount are 0 or those that follow.
        private ulong _buffer;
        private int _bitCount;

        // The first byte that is not in the buffer.
        private int _next = position;

        /// <summary>The position after the byte of the last read bit.</summary>
        public readonly int Position
        {
            get
            {
                int position = _next;
                for (int count = _bitCount / 8; count > 0; count--)
                    position -= position > 1 && _bytes[position - 1] == 0 && _bytes[position - 2] == 0xFF ? 2 : 1;
                return position;
            }
        }

        /// <summary>Whether the rest of the file is empty or starts with the end marker.</summary>
        public readonly bool IsAtEnd
        {
            get
            {
                ReadOnlySpan<byte> rest = _bytes[Position..];
                return rest.TrimStart((byte)0xFF) is [] or [JpegStructure.EndOfImage, ..] && rest is [] or [0xFF, ..];
            }
        }

        /// <summary>The next bits, filled up with any bits after a marker or the end.</summary>
        /// <param name="count">At most <see cref="MaxCodeLength"/>.</param>
        public int Peek(int count)
        {
            if (_bitCount < MaxCodeLength)
                Fill();
            return (int)(_buffer >> (BufferBits - count));
        }

        /// <summary>Skips bits. Returns false, and skips all, if there are fewer before a marker or the end.</summary>
        public bool Skip(int count)
        {
            while (count > _bitCount)
            {
                count -= _bitCount;
                (_buffer, _bitCount) = (0, 0);
                Fill();
                if (_bitCount == 0)
                    return false;
            }

            // A shift by all 64 bits would do nothing.
            _buffer = _buffer << (count >> 1) << (count - (count >> 1));
            _bitCount -= count;
            return true;
        }

        /// <summary>Skips bits, or all before a marker or the end if they are fewer.</summary>
        /// <param name="count">At most <see cref="MaxCodeLength"/>.</param>
        public void SkipAtMost(int count) => Skip(Math.Min(_bitCount, count));

        /// <summary>Skips a restart marker, which is aligned to a byte. Returns false if there is none.</summary>
        public bool Restart()
        {
            _next = Position;
            (_buffer, _bitCount) = (0, 0);
            while (_next + 1 < _bytes.Length && _bytes[_next] == 0xFF && _bytes[_next + 1] == 0xFF)
                _next++;
            if (_next + 1 >= _bytes.Length || _bytes[_next] != 0xFF
                || _bytes[_next + 1] is not (>= 0xD0 and <= 0xD7))
                return false;
            _next += 2;
            return true;
        }

        private void Fill()
        {
            if (_next + sizeof(ulong) <= _bytes.Length)
            {
                ulong bytes = BinaryPrimitives.ReadUInt64BigEndian(_bytes[_next..]);
                if (!HasByteOfOnes(bytes))
                {
                    int count = (BufferBits - _bitCount) / 8;
                    _buffer |= bytes >> _bitCount;
                    _bitCount += 8 * count;
                    _next += count;
                    return;
                }
            }

            while (_bitCount <= BufferBits - 8 && _next < _bytes.Length)
            {
                ulong value = _bytes[_next];
                if (value == 0xFF)
                {
                    // A last 0xFF can be half of an end marker, or data whose zero byte is missing.
                    if (_next + 1 == _bytes.Length || _bytes[_next + 1] != 0)
                        return;
                    _next++;
                }

                _next++;
                _buffer |= value << (BufferBits - 8 - _bitCount);
                _bitCount += 8;
            }
        }

        private static bool HasByteOfOnes(ulong bytes)
            => ((~bytes - 0x0101_0101_0101_0101) & bytes & 0x8080_8080_8080_8080) != 0;
    }
}
