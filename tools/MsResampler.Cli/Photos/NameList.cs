using System.Buffers.Binary;
using System.Collections;
using System.Text;

namespace MsResampler.Cli.Photos;

/// <summary>A list of names in UTF-8, which needs less than half the memory of strings.</summary>
internal sealed class NameList : IEnumerable<string>
{
    private const int BlockBytes = 1 << 20;

    private readonly List<byte[]> _blocks = [];
    private readonly List<int> _usedBytes = [];

    /// <summary>The number of names.</summary>
    public int Count { get; private set; }

    /// <summary>Appends a name.</summary>
    public void Add(string name)
    {
        int needed = sizeof(int) + Encoding.UTF8.GetByteCount(name);
        if (_blocks.Count == 0 || _blocks[^1].Length - _usedBytes[^1] < needed)
        {
            _blocks.Add(new byte[Math.Max(BlockBytes, needed)]);
            _usedBytes.Add(0);
        }

        Span<byte> free = _blocks[^1].AsSpan(_usedBytes[^1]);
        int length = Encoding.UTF8.GetBytes(name, free[sizeof(int)..]);
        BinaryPrimitives.WriteInt32LittleEndian(free, length);
        _usedBytes[^1] += needed;
        Count++;
    }

    public IEnumerator<string> GetEnumerator()
    {
        for (int block = 0; block < _blocks.Count; block++)
        {
            for (int position = 0; position < _usedBytes[block];)
            {
                int length = BinaryPrimitives.ReadInt32LittleEndian(_blocks[block].AsSpan(position));
                yield return Encoding.UTF8.GetString(_blocks[block], position + sizeof(int), length);
                position += sizeof(int) + length;
            }
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
