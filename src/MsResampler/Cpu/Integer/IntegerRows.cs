using MsResampler.Model;

namespace MsResampler.Cpu.Integer;

/// <summary>Rows of activations as integers, in memory of the caller: scales, then the rows, then a residual row for
/// each row, of which only those with outliers are used. <see cref="Quantiser{TSimd,TVector}"/> writes the rows, and
/// <see cref="IntegerGemm{TSimd,TVector}"/> multiplies them.</summary>
internal readonly unsafe struct IntegerRows
{
    private const int LineBytes = 64;

    /// <summary>Describes rows in <paramref name="memory"/>.</summary>
    /// <param name="memory">At least <see cref="BytesOf"/>.</param>
    /// <param name="rowCount">The number of rows.</param>
    /// <param name="innerCount">Values in a row.</param>
    /// <param name="type">The type of the weights.</param>
    /// <param name="kernel">The kernel that reads the rows.</param>
    public IntegerRows(void* memory, int rowCount, int innerCount, IntegerType type, IntegerKernel kernel)
    {
        InnerCount = innerCount;
        Type = type;
        HasBytes = type == IntegerType.Int8 && kernel.HasByteActivations;
        Stride = StrideOf(innerCount, type, kernel);
        Scales = (RowScale*)memory;
        Values = (byte*)memory + ScaleBytesOf(rowCount);
        Residuals = Values + (rowCount * Stride);
    }

    /// <summary>Values in a row.</summary>
    public int InnerCount { get; }

    /// <summary>The type of the weights.</summary>
    public IntegerType Type { get; }

    /// <summary>Whether integers are unsigned bytes. Otherwise they have 16 bits and the zero point was
    /// subtracted.</summary>
    public bool HasBytes { get; }

    /// <summary>Bytes between rows.</summary>
    public nint Stride { get; }

    /// <summary>One element per row.</summary>
    public RowScale* Scales { get; }

    /// <summary>The first row.</summary>
    public byte* Values { get; }

    /// <summary>The first residual row.</summary>
    public byte* Residuals { get; }

    /// <summary>The integer of the value 0 in residual rows.</summary>
    public int ResidualZero => HasBytes ? 128 : 0;

    /// <summary>Bytes of memory for <paramref name="rowCount"/> rows and their scales.</summary>
    public static long BytesOf(int rowCount, int innerCount, IntegerType type, IntegerKernel kernel)
        => ScaleBytesOf(rowCount) + (2L * rowCount * StrideOf(innerCount, type, kernel));

    /// <summary>Floats of memory for <paramref name="rowCount"/> rows that <paramref name="matrix"/> multiplies: whole
    /// cache lines.</summary>
    public static long FloatsOf(int rowCount, IntegerMatrix matrix)
        => BytesOf(rowCount, matrix.InnerCount, matrix.Type, matrix.Kernel) / sizeof(float);

    /// <summary>Bytes between rows: whole cache lines, but not a multiple of 4096, because the six rows of a tile would
    /// then compete for the same lines of the first-level cache.</summary>
    public static int StrideOf(int innerCount, IntegerType type, IntegerKernel kernel)
    {
        int bytes = StepCountOf(innerCount, type, kernel) * sizeof(int);
        int stride = (bytes + LineBytes - 1) / LineBytes * LineBytes;
        return stride % 4096 == 0 ? stride + LineBytes : stride;
    }

    /// <summary>Steps of a row, see <see cref="IntegerTile.StepCount"/>.</summary>
    public static int StepCountOf(int innerCount, IntegerType type, IntegerKernel kernel)
        => (innerCount + kernel.StepLength(type) - 1) / kernel.StepLength(type);

    private static long ScaleBytesOf(int rowCount)
        => (((long)rowCount * sizeof(RowScale)) + LineBytes - 1) / LineBytes * LineBytes;
}
