using System.Numerics;

namespace MsResampler.Server.Limits;

/// <summary>How much memory arrays of the shared pool occupy.</summary>
internal static class PooledArrays
{
    private const int SmallestLength = 16;
    private const int LargestPooledLength = 1 << 30;

    /// <summary>The bytes of an array that the shared pool gives for a number of elements. Up to its largest array, the
    /// pool rounds lengths up to a power of two.</summary>
    /// <param name="count">The number of elements.</param>
    /// <param name="elementBytes">The bytes of an element.</param>
    public static long BytesOf(long count, int elementBytes)
    {
        if (count == 0)
            return 0;
        long length = count > LargestPooledLength ? count
            : (long)BitOperations.RoundUpToPowerOf2((ulong)Math.Max(count, SmallestLength));
        return length * elementBytes;
    }
}
