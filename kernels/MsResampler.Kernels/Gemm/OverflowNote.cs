using ILGPU;

namespace MsResampler.Kernels.Gemm;

/// <summary>The lowest row with a NaN among the tokens of a pass, as one integer in device memory; 0 if there is
/// none.</summary>
/// <remarks>The integer is 2³¹ − 1 minus the row. Cleared memory is therefore an empty note, and the maximum of what
/// all blocks write, in any order, is the lowest row.</remarks>
internal static class OverflowNote
{
    /// <summary>Adds a row.</summary>
    /// <param name="note">The note; if it is empty, nothing happens.</param>
    /// <param name="row">The row.</param>
    public static void Add(ArrayView<int> note, int row)
    {
        if (note.Length > 0)
            Atomic.Max(ref note[0], int.MaxValue - row);
    }

    /// <summary>The row of a note.</summary>
    /// <param name="note">The value of the note; not 0.</param>
    public static int RowOf(int note) => int.MaxValue - note;
}
