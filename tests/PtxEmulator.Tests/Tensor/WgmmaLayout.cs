namespace PtxEmulator.Tests;

/// <summary>The canonical layouts of matrices of 16-bit elements in shared memory, as the table "Canonical Layouts" of
/// PTX ISA 9.7.15.5.1.2.1.3 writes them: a shape and a stride for each part of a coordinate, in elements, and a
/// swizzle of the address.</summary>
/// <param name="Mode">The swizzling mode: 0 none, 1 128 bytes, 2 64 bytes, 3 32 bytes.</param>
/// <param name="IsTransposed">Whether the matrix is MN-major.</param>
/// <param name="Start">The address of the matrix.</param>
/// <param name="Leading">The leading dimension byte offset.</param>
/// <param name="Stride">The stride dimension byte offset.</param>
internal sealed record WgmmaLayout(int Mode, bool IsTransposed, int Start, int Leading, int Stride)
{
    private const int ElementBytes = 2;
    private const int T = 8;

    /// <summary>How many bytes the pattern of the swizzle begins after a multiple of its size. The base offset is then
    /// (pattern start address >> 7) &amp; 7.</summary>
    public int Shift { get; init; }

    /// <summary>The descriptor: the fields at the bits that the ISA names.</summary>
    public ulong Descriptor => ((ulong)(Start + Shift) >> 4) | (((ulong)Shift >> 7 & 7) << 49)
        | ((ulong)Leading >> 4 << 16) | ((ulong)Stride >> 4 << 32)
        | ((ulong)Mode << 62);

    /// <summary>The number of rows of 16 bytes that a row of the swizzling mode has.</summary>
    private int Width => Mode switch
    {
        1 => 8,
        2 => 4,
        3 => 2,
        _ => 1,
    };

    /// <summary>The address of the element at an index along m or n and one along k.</summary>
    public int AddressOf(int index, int k)
    {
        (int leading, int stride) = (Leading / ElementBytes, Stride / ElementBytes);
        int offset = (IsTransposed, Mode) switch
        {
            // ((T,1,m),(8,k)):((1,T,SBO),(1T,LBO))
            (true, 0) => Fold(index, [T, 1], [1, T, stride]) + Fold(k, [8], [T, leading]),
            // ((T,w,m),(8,k)):((1,T,LBO),(wT,SBO))
            (true, _) => Fold(index, [T, Width], [1, T, leading]) + Fold(k, [8], [Width * T, stride]),
            // ((8,m),(T,2k)):((1T,SBO),(1,LBO))
            (false, 0) => Fold(index, [8], [T, stride]) + Fold(k, [T], [1, leading]),
            // ((8,m),(T,2k)):((wT,SBO),(1,T))
            _ => Fold(index, [8], [Width * T, stride]) + Fold(k, [T], [1, T]),
        };
        return Swizzle(Start + (offset * ElementBytes)) + Shift;
    }

    /// <summary>Swizzle⟨bits, 4, 3⟩: each of the bits from the fourth on is flipped where the bit three places above it
    /// is set.</summary>
    private int Swizzle(int address)
    {
        int bits = Mode == 0 ? 0 : 4 - Mode;
        int result = address;
        for (int bit = 4; bit < 4 + bits; bit++)
        {
            if ((address & (1 << (bit + 3))) != 0)
                result ^= 1 << bit;
        }
        return result;
    }

    /// <summary>The offset of a coordinate whose parts have these sizes, the last any, and these strides.</summary>
    private static int Fold(int coordinate, int[] sizes, int[] strides)
    {
        int offset = 0;
        for (int part = 0; part < sizes.Length; part++)
        {
            offset += coordinate % sizes[part] * strides[part];
            coordinate /= sizes[part];
        }
        return offset + (coordinate * strides[^1]);
    }
}
