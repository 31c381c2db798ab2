using ILGPU;

namespace MsResampler.Kernels.Gemm;

/// <summary>A note of the lowest row of a pass's tokens that has a NaN; 0 while there is none.</summary>
/// <remarks>One integer, which holds 2³¹ − 1 less the row: so cleared memory is an empty note, and the largest of what
/// blocks add, in any order, is the lowest row.</remarks>
internal static class OverflowNote
{
    /// <summary>Notes a row.</summary>
    /// <param name="note">The note; nothing is done where it is empty.</param>
    /// <param name="row">The row.</param>
    public static void Add(ArrayView<int> note, int row)
    {
        if (note.Length > 0)
            Atomic.Max(ref note[0], int.MaxValue - row);
    }

    /// <summary>The row that a note holds.</summary>
    /// <param name="note">What was read of it; not 0.</param>
    public static int RowOf(int note) => int.MaxValue - note;
}
