using System.Numerics.Tensors;

namespace MsResampler.Kernels.Forward;

/// <summary>An axis of equal segments (heads, or the branches of scopes). On the device each segment is padded with
/// zeros to a multiple of <paramref name="Alignment"/> elements, which is 16 bytes, so that every segment begins where
/// a kernel can load 16 bytes at once. All sizes count elements.</summary>
/// <param name="SegmentSize">Elements of a segment in the model.</param>
/// <param name="SegmentCount">Segments.</param>
/// <param name="Alignment">Elements of 16 bytes: 4 of 32 bits or 8 of 16 bits.</param>
internal readonly record struct PaddedAxis(int SegmentSize, int SegmentCount = 1, int Alignment = 4)
{
    /// <summary>The size of the axis in the model.</summary>
    public int Size => SegmentSize * SegmentCount;

    /// <summary>The size of a segment on the device.</summary>
    public int PaddedSegment => (SegmentSize + Alignment - 1) / Alignment * Alignment;

    /// <summary>The size of the axis on the device.</summary>
    public int PaddedSize => checked(PaddedSegment * SegmentCount);

    /// <summary>Copies a matrix into the device's layout.</summary>
    /// <param name="source">[rows, columns] as in the model.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="columns">The columns.</param>
    /// <param name="factor">Multiplies each element.</param>
    public static float[] Pad(ReadOnlySpan<float> source, PaddedAxis rows, PaddedAxis columns, float factor = 1)
    {
        float[] result = new float[checked((long)rows.PaddedSize * columns.PaddedSize)];
        for (int row = 0; row < rows.Size; row++)
        {
            int target = rows.IndexOf(row) * columns.PaddedSize;
            for (int segment = 0; segment < columns.SegmentCount; segment++)
            {
                TensorPrimitives.Multiply(
                    source.Slice((row * columns.Size) + (segment * columns.SegmentSize), columns.SegmentSize), factor,
                    result.AsSpan(target + (segment * columns.PaddedSegment), columns.SegmentSize));
            }
        }

        return result;
    }

    /// <summary>Copies one row into the device's layout.</summary>
    public float[] Pad(ReadOnlySpan<float> row, float factor = 1)
    {
        float[] result = new float[PaddedSize];
        for (int index = 0; index < row.Length; index++)
            result[IndexOf(index)] = row[index] * factor;
        return result;
    }

    /// <summary>Rounds to float32.</summary>
    public static float[] Round(double[] values) => Array.ConvertAll(values, value => (float)value);

    private int IndexOf(int index) => (index / SegmentSize * PaddedSegment) + (index % SegmentSize);
}
