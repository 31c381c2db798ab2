using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PtxEmulator.Memory;

/// <summary>What one product of a warpgroup reads from shared memory, from its start until its four warps have waited
/// for it.</summary>
internal sealed class ProductRead
{
    private uint[] _addresses = [];
    private int _count;
    private int _countA;
    private (uint Low, uint End) _rangeA;
    private (uint Low, uint End) _rangeB;

    /// <summary>The index of the first warp of the warpgroup.</summary>
    public int FirstWarp { get; private set; }

    /// <summary>The tick of the block's clock at which each warp started the product; 0 if it did not.</summary>
    public uint[] Issued { get; } = new uint[Warpgroup.WarpCount];

    /// <summary>The tick at which each warp waited for the product; 0 if it did not.</summary>
    public uint[] Waited { get; } = new uint[Warpgroup.WarpCount];

    /// <summary>The tick of the latest fence of the bytes that are read.</summary>
    public uint LatestFence { get; set; }

    /// <summary>The addresses of the rows of 16 bytes.</summary>
    public ReadOnlySpan<uint> Addresses => _addresses.AsSpan(0, _count);

    public void Reset(int firstWarp)
    {
        FirstWarp = firstWarp;
        LatestFence = 0;
        _count = 0;
        _countA = 0;
        _rangeA = default;
        _rangeB = default;
        Array.Clear(Issued);
        Array.Clear(Waited);
    }

    /// <summary>Adds the rows of a matrix.</summary>
    public void Add(ReadOnlySpan<uint> addresses, uint lowest, uint highest, bool isA)
    {
        if (_addresses.Length < _count + addresses.Length)
            Array.Resize(ref _addresses, _count + addresses.Length);
        addresses.CopyTo(_addresses.AsSpan(_count));
        _count += addresses.Length;
        _countA = isA ? _count : _countA;
        (isA ? ref _rangeA : ref _rangeB) = (lowest, highest + MatrixDescriptor.ChunkBytes);
    }

    /// <summary>Whether the product reads some of the bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public bool Touches(uint address, int byteCount)
    {
        uint end = address + (uint)byteCount;
        return ((address < _rangeA.End && end > _rangeA.Low) || (address < _rangeB.End && end > _rangeB.Low))
            && Contains(address, end, _count);
    }

    /// <summary>Whether a byte that the product reads is of the matrix A.</summary>
    public bool IsOfA(uint address) => address >= _rangeA.Low && address < _rangeA.End
        && Contains(address, address + 1, _countA);

    /// <summary>Whether all warps waited before a tick.</summary>
    public bool IsBefore(uint tick) => Array.TrueForAll(Waited, waited => waited != 0 && waited < tick);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private bool Contains(uint address, uint end, int count)
    {
        // A row is met if it begins less than 16 bytes before the first byte, or before the end.
        uint first = address & ~(MatrixDescriptor.ChunkBytes - 1u);
        var low = Vector256.Create(first);
        var length = Vector256.Create(end - first);
        ReadOnlySpan<uint> addresses = _addresses.AsSpan(0, count);
        for (int index = 0; index < addresses.Length; index += Vector256<uint>.Count)
        {
            Vector256<uint> at = Vector256.Create(addresses[index..]);
            if (Vector256.LessThanAny(at - low, length))
                return true;
        }
        return false;
    }
}
