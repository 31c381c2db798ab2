using MsResampler.Cpu;

namespace MsResampler.Training.Passes;

/// <summary>Rows of floats in the memory of a pass.</summary>
/// <param name="start">The first row.</param>
/// <param name="stride">Floats between rows.</param>
internal readonly unsafe struct Rows(float* start, int stride)
{
    /// <summary>Floats between rows.</summary>
    public int Stride => stride;

    /// <summary>The first row.</summary>
    public float* Start => start;

    /// <summary>A row.</summary>
    public float* this[long row] => start + (row * stride);

    /// <summary>The same rows from a column on.</summary>
    public Rows From(int column) => new(start + column, stride);

    /// <summary>The rows from one on.</summary>
    public Rows After(long row) => new(this[row], stride);

    /// <summary>Takes memory for rows. The stride is a multiple of 16 floats, but not of 4 KiB, so that the elements of
    /// a column do not all map to the same set of the first-level cache.</summary>
    /// <param name="memory">The memory of the pass.</param>
    /// <param name="count">The number of rows.</param>
    /// <param name="width">Floats in a row.</param>
    public static Rows Take(ref PassMemory memory, long count, int width)
    {
        int stride = checked(((width + 15) & ~15) + 16);
        return new Rows(memory.Take(checked(count * stride)), stride);
    }
}
